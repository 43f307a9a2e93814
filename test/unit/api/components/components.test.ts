import fc from 'fast-check';
import {createHash} from 'node:crypto';
import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {allSteps, parseComponentNames} from '../../../../api/components/components.ts';
import {packageList, type Step} from '../../../../api/components/step.ts';
import {builtinBuildImages} from '../../../../api/engine/build-image.ts';
import {sortTopologically} from '../../../../api/pipeline/graph.ts';
import {selectSteps} from '../../../../api/pipeline/select-steps.ts';
import {defaultConfigs} from '../../../../configs/default-configs.ts';
import type {LocalFiles} from '../../../../configs/local-files.ts';
import type {LocalTree} from '../../../../configs/local-tree.ts';
import {componentNames, fieldNames, type ComponentName, type Configs} from '../../../../configs/schema.ts';

const defaults = defaultConfigs();

/** The defaults with one field changed. */
function configsWith(component: ComponentName, fields: Record<string, unknown>): Configs {
  return {...defaults, [component]: {...defaults[component], ...fields}};
}

const tree = (path: string): LocalTree => ({
  digest: createHash('sha256').update(path).digest('hex'),
  entries: [
    {type: 'file', path: '', source: `/there/${path}`, sizeBytes: 1, executable: false, content: 'x'},
  ],
});

/** Files beside configs.json. */
const local: LocalFiles = new Map(
  [
    'key.asc',
    'overlay',
    'one.sh',
    'two.sh',
    'sys.yaml',
    'sign.pem',
    'root.pem',
    'bundle.yaml',
    'eula.txt',
    'layout',
  ].map((path) => [path, tree(path)]),
);

function stepsByName(configs: Configs): ReadonlyMap<string, Step> {
  return new Map(allSteps(configs, local).map((step) => [step.name, step]));
}

function stepOf(configs: Configs, name: string): Step {
  const step = stepsByName(configs).get(name);
  if (step === undefined) throw new Error(`no step ${name}`);
  return step;
}

/** What of a step its container sees, and so counts for its identity. */
const identityOf = ({name, contract, buildImage, command, settings, inputs, packagesOf}: Step) =>
  JSON.stringify({name, contract, buildImage, command, settings, inputs, packagesOf});

/** Names of the steps that are told something else, not counting those that only get other inputs. */
function changedSteps(configs: Configs): string[] {
  const before = stepsByName(defaults);
  return allSteps(configs, local)
    .filter(
      (step) => identityOf(step) !== (before.has(step.name) ? identityOf(before.get(step.name) as Step) : ''),
    )
    .map((step) => step.name);
}

const delivered = (configs: Configs, step: string) =>
  stepOf(configs, step)
    .outputs.filter((output) => output.delivered)
    .map((output) => output.name);

describe('the steps of the default configuration', () => {
  const steps = allSteps(defaults);

  it('are a graph', () => {
    expect(sortTopologically(steps)).toHaveLength(steps.length);
  });

  it('have one for each component that bears its name and comes last of its component', () => {
    for (const component of componentNames.filter((name) => name !== 'base_image')) {
      const own = sortTopologically(steps).filter((step) => step.component === component);
      expect(own.at(-1)?.name).toBe(component);
      for (const step of own.slice(0, -1)) expect(step.name).toMatch(new RegExp(`^${component}\\.[a-z]+$`));
    }
  });

  it('need what the boxes of the diagram need', () => {
    expect(Object.fromEntries(steps.map((step) => [step.name, step.inputs]))).toEqual({
      'root_fs.resolve': [],
      'root_fs.packages': ['root_fs.resolve'],
      root_fs: ['root_fs.packages'],
      blank_image: [],
      'rpi_bootloader.resolve': [],
      rpi_bootloader: ['rpi_bootloader.resolve'],
      'rpi_kernel.resolve': [],
      rpi_kernel: ['rpi_kernel.resolve'],
      'rpi_sd_image.resolve': ['root_fs.resolve'],
      'rpi_sd_image.docker': ['root_fs.packages', 'rpi_sd_image.resolve'],
      rpi_sd_image: ['rpi_sd_image.docker', 'blank_image', 'rpi_bootloader', 'rpi_kernel'],
      'content_image.sources': [],
      content_image: ['rpi_sd_image', 'content_image.sources'],
      'ota-bundler.kernel': ['rpi_kernel'],
      'ota-bundler': ['rpi_sd_image', 'ota-bundler.kernel'],
    });
  });

  it('have build images that are there, with the scripts that are run', () => {
    for (const {buildImage, command, client} of steps) {
      if (client?.kind === 'content' || client?.kind === 'content-sources') continue;
      const folder = join(builtinBuildImages(), buildImage);
      expect(existsSync(join(folder, 'Dockerfile'))).toBe(true);
      for (const path of command) {
        expect(path).toMatch(/^\/builder\//);
        expect(existsSync(join(folder, path.replace('/builder/', '')))).toBe(true);
      }
    }
  });

  it('tell each variable once, as a text, and never name what does not come from the configuration', () => {
    for (const {settings} of steps) {
      const variables = settings.map((setting) => setting.variable);
      expect(new Set(variables).size).toBe(variables.length);
      for (const {field, variable, value} of settings) {
        expect(variable).toMatch(/^[A-Z][A-Z_]*$/);
        expect(typeof value).toBe('string');
        const [component = '', name] = field.split('.');
        expect(componentNames).toContain(component);
        if (name !== undefined) expect(fieldNames(component as ComponentName)).toContain(name);
      }
    }
  });

  it('keep the password, and only the password, secret', () => {
    const secrets = steps.flatMap((step) => step.settings.filter((setting) => setting.secret));
    expect(new Set(secrets.map((setting) => setting.field))).toEqual(new Set(['root_fs.password']));
    const open = steps.flatMap((step) => step.settings.filter((setting) => !setting.secret));
    const said = configsWith('root_fs', {password: 'correct horse'});
    for (const step of allSteps(said)) {
      const shown = {...step, settings: step.settings.filter((setting) => !setting.secret)};
      expect(JSON.stringify(shown)).not.toContain('correct horse');
    }
    expect(open.length).toBeGreaterThan(0);
  });

  it('work without a network wherever the mirror is not asked', () => {
    const asking = [
      'root_fs.resolve',
      'rpi_bootloader.resolve',
      'rpi_kernel.resolve',
      'rpi_sd_image.resolve',
    ];
    expect(steps.filter((step) => step.network).map((step) => step.name)).toEqual(asking);
    expect(steps.filter((step) => step.resolves).map((step) => step.name)).toEqual(asking);
  });

  it('make of what the mirror says one list, which is not delivered', () => {
    for (const {outputs} of steps.filter((step) => step.resolves)) {
      expect(outputs).toEqual([{name: packageList, delivered: false}]);
    }
  });

  it('see the packages of a list that is among their inputs, and only where packages are installed or left out', () => {
    const users = steps.filter((step) => step.packagesOf !== undefined);
    expect(Object.fromEntries(users.map((step) => [step.name, step.packagesOf]))).toEqual({
      'root_fs.packages': 'root_fs.resolve',
      rpi_bootloader: 'rpi_bootloader.resolve',
      rpi_kernel: 'rpi_kernel.resolve',
      'rpi_sd_image.resolve': 'root_fs.resolve',
      'rpi_sd_image.docker': 'rpi_sd_image.resolve',
    });
    for (const {inputs, packagesOf} of users) expect(inputs).toContain(packagesOf);
  });

  it('make no two files of the same name in one step, and deliver none of the same name at all', () => {
    for (const {outputs} of steps) expect(new Set(outputs.map((o) => o.name)).size).toBe(outputs.length);
    const all = steps.flatMap((step) => delivered(defaults, step.name));
    expect(new Set(all).size).toBe(all.length);
  });
});

describe('artifacts are named as in the repositories of Hypriot', () => {
  const withDigests = (names: string[]) => names.flatMap((name) => [name, `${name}.sha256`]);

  it.each([
    ['arm64-debian', 'v1.0.0', 'rootfs-arm64-debian-v1.0.0.tar.gz'],
    ['armhf-raspbian', '2.3', 'rootfs-armhf-raspbian-2.3.tar.gz'],
    ['mips', 'latest', 'rootfs-mips-latest.tar.gz'],
  ])('root_fs of %s %s', (target, version, name) => {
    expect(delivered(configsWith('root_fs', {target, version}), 'root_fs')).toEqual(withDigests([name]));
  });

  it.each(['rpi', 'odroid'])('blank_image for %s', (device) => {
    const configs = configsWith('blank_image', {device});
    expect(delivered(configs, 'blank_image')).toEqual(withDigests([`${device}-raw.img.zip`]));
    expect(stepOf(configs, 'blank_image').command).toEqual([`/builder/${device}/build.sh`]);
  });

  it('rpi_bootloader', () => {
    expect(delivered(defaults, 'rpi_bootloader')).toEqual(withDigests(['rpi-bootloader.tar.gz']));
  });

  it('rpi_kernel', () => {
    expect(delivered(defaults, 'rpi_kernel')).toEqual([
      ...withDigests(['bootfiles.tar.gz', '*-arm64.tar.gz']),
      '*-arm64.config',
    ]);
  });

  it('rpi_sd_image', () => {
    const image = 'hypriotos-rpi64-v2.img';
    expect(delivered(configsWith('rpi_sd_image', {version: 'v2'}), 'rpi_sd_image')).toEqual(
      withDigests([image, `${image}.zip`, `${image}.zst`, `${image}.bmap`]),
    );
  });

  it('rpi_sd_image in the forms that are wanted, always with its block map', () => {
    const image = 'hypriotos-rpi64-latest.img';
    expect(delivered(configsWith('rpi_sd_image', {compression: ['xz', 'none']}), 'rpi_sd_image')).toEqual(
      withDigests([`${image}.xz`, image, `${image}.bmap`]),
    );
  });

  it('no step on the way delivers anything', () => {
    const onTheWay = allSteps(defaults).filter((step) => step.name !== step.component);
    expect(onTheWay.map((step) => [step.name, delivered(defaults, step.name)])).toEqual([
      ['root_fs.resolve', []],
      ['root_fs.packages', []],
      ['rpi_bootloader.resolve', []],
      ['rpi_kernel.resolve', []],
      ['rpi_sd_image.resolve', []],
      ['rpi_sd_image.docker', []],
      ['content_image.sources', []],
      ['ota-bundler.kernel', []],
    ]);
  });
});

describe('a changed field changes the steps that it reaches and no other', () => {
  const listsAndTheirPackages = [
    'root_fs.resolve',
    'root_fs.packages',
    'rpi_sd_image.resolve',
    'rpi_sd_image.docker',
  ];

  it.each<[ComponentName, string, unknown, string[]]>([
    ['root_fs', 'hostname', 'reef', ['root_fs', 'rpi_sd_image']],
    ['root_fs', 'username', 'jack', ['root_fs', 'rpi_sd_image']],
    ['root_fs', 'groupname', 'crew', ['root_fs', 'rpi_sd_image']],
    ['root_fs', 'password', 'other', ['root_fs', 'rpi_sd_image']],
    ['root_fs', 'version', 'v9', ['root_fs', 'rpi_sd_image']],
    ['root_fs', 'packages', ['vim'], ['root_fs.resolve', 'root_fs.packages']],
    ['root_fs', 'remove_packages', ['libvirt0'], ['root_fs.resolve', 'rpi_sd_image.resolve']],
    ['root_fs', 'remove_packages', ['nano'], ['root_fs.resolve', 'root_fs.packages', 'rpi_sd_image.resolve']],
    ['root_fs', 'variant', 'standard', ['root_fs.resolve', 'root_fs.packages']],
    ['root_fs', 'ssh_authorized_keys', ['ssh-ed25519 AAAA'], ['root_fs', 'rpi_sd_image']],
    ['root_fs', 'locale', 'de_DE.UTF-8', ['root_fs', 'rpi_sd_image']],
    ['root_fs', 'timezone', 'Europe/Berlin', ['root_fs', 'rpi_sd_image']],
    // The console needs packages for any layout but the kernel's.
    ['root_fs', 'keyboard', 'de', ['root_fs.resolve', 'root_fs.packages', 'root_fs', 'rpi_sd_image']],
    ['root_fs', 'keyring', 'key.asc', ['root_fs.resolve', 'root_fs.packages', 'rpi_sd_image.resolve']],
    [
      'root_fs',
      'apt_sources',
      [{name: 'more', url: 'http://deb.test/x', suite: 'x', components: ['main'], key: 'key.asc'}],
      listsAndTheirPackages,
    ],
    ['root_fs', 'overlay', 'overlay', ['root_fs', 'rpi_sd_image']],
    ['root_fs', 'scripts', ['one.sh'], ['root_fs.scripts', 'root_fs', 'rpi_sd_image.docker']],
    ['root_fs', 'scripts_network', true, []],
    ['root_fs', 'suite', 'sid', [...listsAndTheirPackages, 'ota-bundler']],
    // Docker comes in with its list; the system's own apt is told the mirror with the packages.
    [
      'root_fs',
      'mirror',
      'http://deb.test/debian',
      ['root_fs.resolve', 'root_fs.packages', 'rpi_sd_image.resolve'],
    ],
    [
      'root_fs',
      'target',
      'amd64',
      [
        'root_fs.resolve',
        'root_fs.packages',
        'root_fs',
        'rpi_sd_image.resolve',
        'rpi_sd_image.docker',
        'rpi_sd_image',
      ],
    ],
    ['blank_image', 'size', '4GiB', ['blank_image']],
    ['blank_image', 'boot_size', '128MiB', ['blank_image']],
    ['blank_image', 'size', 'auto', ['blank_image', 'rpi_sd_image']],
    ['blank_image', 'reserve', '1GiB', []],
    ['blank_image', 'layout', 'ab', ['blank_image']],
    ['blank_image', 'alignment', '8MiB', ['blank_image']],
    ['blank_image', 'device', 'odroid', ['blank_image', 'rpi_sd_image']],
    ['base_image', 'mirror', 'http://deb.test/debian', ['rpi_bootloader.resolve', 'rpi_kernel.resolve']],
    ['rpi_sd_image', 'version', 'v9', ['rpi_sd_image']],
    ['rpi_sd_image', 'docker_engine_version', '26.1.5', ['rpi_sd_image.resolve', 'rpi_sd_image.docker']],
    ['rpi_sd_image', 'docker_compose_version', 'none', ['rpi_sd_image.resolve', 'rpi_sd_image.docker']],
    ['rpi_sd_image', 'docker_machine_version', '0.16.2', ['rpi_sd_image.machine', 'rpi_sd_image']],
    ['rpi_sd_image', 'docker_machine_url', 'https://a.test/{version}', []],
    ['rpi_sd_image', 'docker_machine_sha256', 'a'.repeat(64), []],
    [
      'rpi_sd_image',
      'docker_repo',
      {url: 'http://deb.test/docker', key: 'key.asc', suite: '', component: 'stable'},
      ['rpi_sd_image.resolve', 'rpi_sd_image.docker'],
    ],
    ['rpi_sd_image', 'preload', [{archive: 'one.sh'}], ['rpi_sd_image']],
    ['rpi_sd_image', 'preload', ['alpine:3.20'], ['rpi_sd_image.preload', 'rpi_sd_image']],
    ['rpi_sd_image', 'compose', 'one.sh', ['rpi_sd_image']],
    ['rpi_sd_image', 'cmdline', 'quiet', ['rpi_sd_image']],
    ['rpi_sd_image', 'config_txt', ['[pi4]', 'arm_boost=1'], ['rpi_sd_image']],
    ['rpi_sd_image', 'compression', ['zip'], ['rpi_sd_image']],
    // What it means is known where the file is read: see content-image.test.ts.
    ['content_image', 'config', 'image.yaml', []],
    ['content_image', 'version', 'v2', ['content_image']],
    ['ota-bundler', 'version', 'v2', ['ota-bundler']],
    ['ota-bundler', 'ecus', [{id: 'main', sys_config: 'sys.yaml'}], ['ota-bundler']],
    ['ota-bundler', 'release_key', 'prd', ['ota-bundler']],
    ['ota-bundler', 'annotations', {'vnd.tier4.pilot-auto.platform': 'x'}, ['ota-bundler']],
    ['ota-bundler', 'bundle_filter', false, ['ota-bundler']],
    ['ota-bundler', 'compress_filter', false, ['ota-bundler']],
    ['ota-bundler', 'slice_filter', false, ['ota-bundler']],
    ['ota-bundler', 'outputs', ['v1', 'offline_bundle'], ['ota-bundler.offline']],
    // Told to the steps that sign, and to those only where there is a key.
    ['ota-bundler', 'sign_cert', 'sign.pem', []],
    ['ota-bundler', 'ca_certs', ['root.pem'], []],
    [
      'ota-bundler',
      'update_agent_bundle',
      {description: 'bundle.yaml', files: [], images: 'none', layout: ''},
      [],
    ],
    // They have an effect only with `source: "git"`.
    ['rpi_bootloader', 'firmware_repo', 'https://git.test/firmware', []],
    ['rpi_kernel', 'kernel_repo', 'https://git.test/linux', []],
    ['rpi_kernel', 'branch', 'rpi-6.18.y', []],
    ['rpi_kernel', 'defconfig', 'other_defconfig', []],
    ['rpi_kernel', 'kernel_config', ['CONFIG_X=y'], []],
    ['rpi_kernel', 'ccache', false, []],
  ])('%s.%s', (component, field, value, changed) => {
    expect(changedSteps(configsWith(component, {[field]: value}))).toEqual(changed);
  });

  it.each(componentNames.filter((name) => 'image' in defaults[name]))(
    '%s.image: none, it is only another name',
    (component) => {
      expect(changedSteps(configsWith(component, {image: 'mine:1'}))).toEqual([]);
    },
  );

  it('has a case here for every field', () => {
    // Whoever adds a field must say what it reaches.
    const known = new Set(
      [
        'root_fs hostname username groupname password version packages suite mirror target',
        'root_fs ssh_authorized_keys locale timezone keyboard keyring variant remove_packages apt_sources',
        'root_fs overlay scripts scripts_network',
        'blank_image size boot_size device layout reserve alignment',
        'base_image mirror from',
        'rpi_sd_image version docker_engine_version docker_compose_version docker_machine_version',
        'rpi_sd_image docker_repo docker_machine_url docker_machine_sha256 preload compose cmdline config_txt',
        'rpi_sd_image compression',
        'rpi_bootloader firmware_repo source',
        'rpi_kernel kernel_repo branch source defconfig kernel_config ccache',
        'ota-bundler outputs version ecus release_key annotations bundle_filter compress_filter slice_filter',
        'ota-bundler sign_key sign_cert ca_certs update_agent_bundle',
      ].flatMap((line) => {
        const [component = '', ...fields] = line.split(' ');
        return [...fields, 'image', 'repo'].map((field) => `${component}.${field}`);
      }),
    )
      // It has no container.
      .add('content_image.config')
      .add('content_image.version');
    const fields = componentNames.flatMap((name) => fieldNames(name).map((field) => `${name}.${field}`));
    expect(new Set(fields)).toEqual(known);
  });

  it.each(['root_fs.resolve', 'root_fs.packages'])(
    'packages of %s: their order and repetition do not count, nor those that are there anyway',
    (step) => {
      const packagesOf = (packages: string[]) => identityOf(stepOf(configsWith('root_fs', {packages}), step));
      fc.assert(
        fc.property(fc.array(fc.constantFrom('vim', 'htop', 'curl', 'sudo')), (packages) => {
          expect(packagesOf(packages)).toBe(packagesOf([...new Set([...packages, 'udev'])].toReversed()));
        }),
      );
    },
  );

  it('reserve counts where the size is automatic, and reaches the image only', () => {
    const auto = (fields: object) => configsWith('blank_image', {size: 'auto', ...fields});
    const told = (configs: Configs) =>
      stepOf(configs, 'rpi_sd_image').settings.find(({variable}) => variable === 'ROOT_RESERVE')?.value;
    expect(told(auto({}))).toBe(String(256 * 1024 ** 2));
    expect(told(auto({reserve: '1GiB'}))).toBe(String(1024 ** 3));
    expect(identityOf(stepOf(auto({reserve: '1GiB'}), 'blank_image'))).toBe(
      identityOf(stepOf(auto({}), 'blank_image')),
    );
  });

  it('sizes: two ways to write the same are the same', () => {
    expect(changedSteps(configsWith('blank_image', {size: '2048MiB'}))).toEqual([]);
  });

  it('the disk ids of two images are the same only when the images are', () => {
    const identity = (fields: Record<string, unknown>) =>
      stepOf(configsWith('blank_image', fields), 'blank_image').settings.find(
        (setting) => setting.variable === 'IDENTITY',
      )?.value;
    const all = [
      {},
      {size: '4GiB'},
      {boot_size: '128MiB'},
      {device: 'odroid'},
      {size: 'auto'},
      {layout: 'ab'},
      {alignment: '8MiB'},
    ].map(identity);
    expect(new Set(all).size).toBe(7);
    expect(identity({size: '2048MiB'})).toBe(identity({}));
  });
});

describe('files beside configs.json', () => {
  const configs = configsWith('root_fs', {
    overlay: 'overlay',
    scripts: ['one.sh', 'two.sh'],
    scripts_network: true,
    keyring: 'key.asc',
    apt_sources: [{name: 'more', url: 'http://deb.test/x', suite: 'x/', components: [], key: 'key.asc'}],
  });

  it('are sent to the steps that use them, and their content counts there', () => {
    const steps = allSteps(configs, local).filter((step) => (step.files ?? []).length > 0);
    expect(
      Object.fromEntries(steps.map((step) => [step.name, step.files?.map((file) => file.path)])),
    ).toEqual({
      'root_fs.resolve': ['keyring', 'keys/more'],
      'root_fs.packages': ['keyring', 'keys/more'],
      'root_fs.scripts': ['overlay', 'scripts/0', 'scripts/1'],
      root_fs: ['overlay'],
      'rpi_sd_image.resolve': ['keyring', 'keys/more'],
      'rpi_sd_image.docker': ['keyring', 'keys/more'],
      rpi_sd_image: ['overlay'],
    });
    for (const step of steps) {
      const told = step.settings.map((setting) => setting.value).join('\n');
      for (const file of step.files ?? []) expect(told).toContain(file.tree.digest);
    }
  });

  it('never bring a path of this machine into the identity of a step', () => {
    expect(allSteps(configs, local).map(identityOf).join('')).not.toContain('/there/');
  });

  it('scripts run between the packages and all that is built on them, with a network only when it is asked for', () => {
    const names = sortTopologically(allSteps(configs, local)).map((step) => step.name);
    expect(names.indexOf('root_fs.scripts')).toBeGreaterThan(names.indexOf('root_fs.packages'));
    expect(stepOf(configs, 'root_fs').inputs).toEqual(['root_fs.scripts']);
    expect(stepOf(configs, 'rpi_sd_image.docker').inputs).toEqual([
      'root_fs.scripts',
      'rpi_sd_image.resolve',
    ]);
    expect(stepOf(configs, 'root_fs.scripts').network).toBe(true);
    expect(stepOf(configsWith('root_fs', {scripts: ['one.sh']}), 'root_fs.scripts').network).toBe(false);
  });
});

describe('Docker for the card', () => {
  const repo = {url: 'http://deb.test/docker', key: 'key.asc', suite: '', component: 'stable'};
  const told = (configs: Configs, step: string, variable: string) =>
    stepOf(configs, step).settings.find((setting) => setting.variable === variable)?.value;

  it('comes from its archive beside those of root_fs, in the suite of root_fs unless it has another', () => {
    const source = {
      name: 'more',
      url: 'http://deb.test/x',
      suite: 'x',
      components: ['a', 'b'],
      key: 'key.asc',
    };
    const configs: Configs = {
      ...configsWith('root_fs', {apt_sources: [source]}),
      rpi_sd_image: {...defaults.rpi_sd_image, docker_repo: repo},
    };
    const key = local.get('key.asc')?.digest;
    expect(told(configs, 'rpi_sd_image.resolve', 'APT_SOURCES')?.split('\n')).toEqual([
      `more\thttp://deb.test/x\tx\ta b\t${key}`,
      `docker\thttp://deb.test/docker\ttrixie\tstable\t${key}`,
    ]);
    expect(told(configs, 'root_fs.resolve', 'APT_SOURCES')).not.toContain('docker');
  });

  it('Docker Machine is fetched by a step of its own, at the address of its version', () => {
    const url = 'https://a.test/v{version}/docker-machine';
    const configs = configsWith('rpi_sd_image', {docker_machine_version: '0.16.2', docker_machine_url: url});
    expect(told(configs, 'rpi_sd_image.machine', 'DOCKER_MACHINE_URL')).toBe(
      'https://a.test/v0.16.2/docker-machine',
    );
    expect(stepOf(configs, 'rpi_sd_image').inputs).toContain('rpi_sd_image.machine');
  });
});

describe('the password', () => {
  const told = (fields: Record<string, unknown>) =>
    stepOf(configsWith('root_fs', fields), 'root_fs').settings.find(({field}) => field === 'root_fs.password')
      ?.value;

  it('leaves this process only as a crypt hash, the same for the same configuration', () => {
    expect(told({password: 'correct horse'})).toMatch(/^\$6\$[0-9a-f]{16}\$[./A-Za-z0-9]{86}$/);
    expect(told({password: 'correct horse'})).toBe(told({password: 'correct horse'}));
    expect(told({password: 'correct horse', username: 'jack'})).not.toBe(told({password: 'correct horse'}));
    // Else a changed host name would look like a changed password.
    expect(told({password: 'correct horse', hostname: 'reef'})).toBe(told({password: 'correct horse'}));
  });

  it('that is a hash already is told as it is', () => {
    const hash = `$y$j9T$salt$${'a'.repeat(43)}`;
    expect(told({password: hash})).toBe(hash);
  });
});

describe('parseComponentNames', () => {
  it('puts names into the order of the graph, each once', () => {
    expect(parseComponentNames(['rpi_sd_image', 'base_image', 'root_fs', 'root_fs'])).toEqual([
      'base_image',
      'root_fs',
      'rpi_sd_image',
    ]);
    expect(parseComponentNames([])).toEqual([]);
  });

  it.each([
    ['rootfs', 'Did you mean "root_fs"?'],
    ['rpi_sd_imag', 'Did you mean "rpi_sd_image"?'],
    ['xylophone', `The components are ${componentNames.join(', ')}.`],
    ['', `The components are ${componentNames.join(', ')}.`],
    // Steps are no components.
    ['root_fs.packages', undefined],
    ['constructor', `The components are ${componentNames.join(', ')}.`],
  ])('refuses %j and helps', (name, hint) => {
    expect(() => parseComponentNames(['root_fs', name])).toThrow(
      expect.objectContaining({
        code: 'USAGE',
        message: `there is no component "${name}"`,
        ...(hint !== undefined && {hint}),
      }),
    );
  });
});

describe('selectSteps', () => {
  const resolved = (requested: readonly ComponentName[]) =>
    ({components: defaults, requested}) as Parameters<typeof selectSteps>[0];
  const namesOf = (selection: ReturnType<typeof selectSteps>) => selection.steps.map((step) => step.name);

  it('takes the components of the call and all that they need, each after what it needs', () => {
    const selection = selectSteps(resolved(componentNames), ['rpi_sd_image']);
    expect(selection.requested).toEqual(['rpi_sd_image']);
    // Not root_fs itself: the image starts from its packages.
    expect(namesOf(selection)).toEqual([
      'root_fs.resolve',
      'root_fs.packages',
      'blank_image',
      'rpi_bootloader.resolve',
      'rpi_bootloader',
      'rpi_kernel.resolve',
      'rpi_kernel',
      'rpi_sd_image.resolve',
      'rpi_sd_image.docker',
      'rpi_sd_image',
    ]);
  });

  it.each([[undefined], [[]]])('takes those of the configuration when the call names %j', (components) => {
    expect(namesOf(selectSteps(resolved(['blank_image']), components))).toEqual(['blank_image']);
  });

  it('has no container to run for base_image', () => {
    expect(selectSteps(resolved([]), ['base_image'])).toEqual({requested: ['base_image'], steps: []});
  });

  it('refuses an unknown component', () => {
    expect(() => selectSteps(resolved([]), ['rootfs'])).toThrow(expect.objectContaining({code: 'USAGE'}));
  });
});
