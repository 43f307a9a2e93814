import {describe, expect, it} from 'vitest';
import {issuesOf, linesOf, linesOfValue} from './check.ts';

describe('a component', () => {
  it('that is unknown gets the nearest name', () => {
    expect(linesOf('{\n  "root_sf": {}\n}')).toEqual([
      '2:3 unknown component "root_sf", did you mean "root_fs"?',
    ]);
  });

  it('that is like none gets all names', () => {
    expect(linesOfValue({flux: {}})).toEqual([
      '1:2 unknown component "flux", known are base_image, root_fs, blank_image, rpi_bootloader, rpi_kernel, rpi_sd_image, content_image, ota-bundler',
    ]);
  });

  it('that is a field gets the place where it belongs', () => {
    expect(linesOfValue({hostname: 'a'})).toEqual([
      '1:2 unknown component "hostname", did you mean "root_fs.hostname"?',
    ]);
  });

  it.each([
    ['"x"', '"x"'],
    ['null', 'null'],
    ['true', 'true'],
    ['[]', 'a list'],
    ['3', '3'],
  ])('that is %s is not an object', (json, found) => {
    expect(linesOf(`{"root_fs": ${json}}`)).toEqual([
      `1:13 root_fs must be an object ({} for the defaults), found ${found}`,
    ]);
  });
});

describe('a field', () => {
  it('that is unknown gets the nearest name', () => {
    expect(linesOf('{\n  "root_fs": {\n    "hostnme": "a"\n  }\n}')).toEqual([
      '3:5 root_fs has no field "hostnme", did you mean "hostname"?',
    ]);
  });

  it('that is like none gets all names', () => {
    expect(linesOfValue({blank_image: {zzz: 1}})).toEqual([
      '1:17 blank_image has no field "zzz", known are image, repo, device, layout, size, reserve, boot_size, alignment',
    ]);
  });

  it('of another component is told apart', () => {
    expect(linesOfValue({blank_image: {hostname: 'a'}})).toEqual([
      '1:17 blank_image has no field "hostname", it belongs to root_fs',
    ]);
  });

  it('of version 2 for the kernel is known only there', () => {
    expect(linesOfValue({root_fs: {kernel_branch: 'x'}})[0]).toMatch(
      /^1:13 root_fs has no field "kernel_branch"/,
    );
  });
});

describe('a key that is there twice', () => {
  it('is an error at the second one', () => {
    expect(
      linesOf('{\n  "root_fs": {\n    "hostname": "a",\n    "hostname": "b"\n  },\n  "root_fs": {}\n}'),
    ).toEqual([
      '4:5 duplicate key "hostname": it is already on line 3',
      '6:3 duplicate key "root_fs": it is already on line 2',
    ]);
  });

  it('is found when it is written with an escape', () => {
    expect(linesOf('{"root_fs": {}, "root\\u005ffs": {}}')).toEqual([
      '1:17 duplicate key "root_fs": it is already on line 1',
    ]);
  });
});

describe('the whole file', () => {
  it.each(['[]', 'null', '"x"', '5'])('is an object and not %s', (text) => {
    expect(linesOf(text)[0]).toMatch(
      /^1:1 the file must be an object that lists the components to build, found /,
    );
  });

  it.each(['{}', '{"$schema": "./configs.schema.json"}'])('lists something: %s', (text) => {
    expect(linesOf(text)).toEqual([
      '1:1 the file lists nothing to build; for the SD image and its defaults write {"rpi_sd_image": {}}',
    ]);
  });

  it('may name its schema', () => {
    expect(linesOf('{"$schema": "x", "root_fs": {}}')).toEqual([]);
    expect(linesOf('{"root_fs": {"$schema": "x"}}')).toHaveLength(1);
  });

  it('gets all its errors at once, by position', () => {
    const text = `{
  "rpi_sd_image": {"docker_machine_version": "0.13.0"},
  "root_fs": {"target": "arm64", "user": "x", "packages": ["vim", "Nano", 7]},
  "blank_image": {"device": "odroid", "size": 5}
}`;
    expect(linesOf(text)).toEqual([
      '2:46 rpi_sd_image.docker_machine_version must be "none", or come with docker_machine_url and docker_machine_sha256: Docker Machine has been end-of-life since 2021, found "0.13.0"',
      '3:25 root_fs.target is not a known target, found "arm64", did you mean "arm64-debian"?',
      '3:34 root_fs has no field "user", known are image, repo, target, hostname, groupname, username, password, ssh_authorized_keys, locale, timezone, keyboard, version, suite, mirror, keyring, variant, packages, remove_packages, apt_sources, overlay, scripts, scripts_network',
      '3:67 root_fs.packages[1] must be the name of a Debian package, without version or architecture, found "Nano"',
      '3:75 root_fs.packages[2] must be the name of a Debian package, without version or architecture, found 7',
      '4:29 blank_image.device must be "rpi" when rpi_sd_image is built: it is an image for the Raspberry Pi, found "odroid"',
      '4:47 blank_image.size must be "auto" or a size such as "512MiB" or "2GiB" (units MiB, GiB, MB, GB), found 5',
    ]);
  });
});

describe('fields that have an effect only with source: "git"', () => {
  it('may stand there with their default, as in a copy of the default file', () => {
    expect(linesOfValue({rpi_kernel: {branch: 'rpi-6.12.y', kernel_config: [], ccache: true}})).toEqual([]);
  });

  it.each([
    ['rpi_bootloader', 'firmware_repo', 'https://example.org/firmware'],
    ['rpi_kernel', 'kernel_repo', 'https://example.org/linux'],
    ['rpi_kernel', 'branch', 'rpi-6.6.y'],
    ['rpi_kernel', 'kernel_branch', 'rpi-6.12.y'],
    ['rpi_kernel', 'defconfig', 'defconfig'],
    ['rpi_kernel', 'kernel_config', ['CONFIG_EXT4_FS=y']],
    ['rpi_kernel', 'ccache', false],
  ])('%s.%s', (component, field, value) => {
    expect(linesOfValue({[component]: {[field]: value}})).toEqual([
      `1:${component.length + 6} ${component}.${field} has an effect only with source: "git": add that, or remove this`,
    ]);
  });

  it('are fine with it', () => {
    const rpi_kernel = {
      source: 'git',
      kernel_repo: 'https://example.org/linux',
      branch: 'rpi-6.6.y',
      ccache: false,
    };
    const rpi_bootloader = {source: 'git', firmware_repo: 'https://example.org/firmware#stable:boot'};
    expect(linesOfValue({rpi_kernel, rpi_bootloader})).toEqual([]);
  });

  it.each([
    ['branch', 'kernel_branch'],
    ['kernel_branch', 'branch'],
  ])('says that %s and %s are one field', (first, second) => {
    const [issue] = linesOfValue({rpi_kernel: {source: 'git', [first]: 'a', [second]: 'b'}});
    expect(issue).toContain(
      `rpi_kernel.${second} is another name for ${first}, which is there too: keep one of them`,
    );
  });
});

describe('an issue', () => {
  it('has its parts as data', () => {
    expect(issuesOf('{\n  "blank_image": {"device": "odriod"}\n}')).toEqual([
      {
        file: '/project/configs.json',
        line: 2,
        column: 29,
        message: 'blank_image.device is not a known device',
        found: '"odriod"',
        expected: 'one of rpi, odroid',
        suggestion: 'odroid',
        excerpt: {text: '"blank_image": {"device": "odriod"}', start: 26, length: 8},
      },
    ]);
  });
});
