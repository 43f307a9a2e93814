import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {ConfigError} from '../../../../configs/config-error.ts';
import {bufferSource, sliceOf} from '../../../../api/disk/byte-source.ts';
import {FatEditor} from '../../../../api/disk/fat-editor.ts';
import {openFat} from '../../../../api/disk/fat.ts';
import {PatchedSource} from '../../../../api/disk/patched-source.ts';
import {PipelineError} from '../../../../api/errors.ts';
import {personaliseDisk} from '../../../../api/personalise/personalise-disk.ts';
import type {Personalisation} from '../../../../api/personalise/personalisation.ts';
import {preparePersonalisation} from '../../../../api/personalise/prepare-personalisation.ts';
import {bootStart, readReferenceDisk} from '../disk/reference-disk.ts';
import {makeTempFolder} from '../temp-folder.ts';

const disk = await readReferenceDisk('fat32');
const rsaBlob =
  'AAAAB3NzaC1yc2EAAAADAQABAAAAgQC8KnPRUVSRkTnihIkf8piHwmu3McPEBU3tcmUp7j6FWwMIIw+a3AgKfPFYc7sQbSD5NUHIdfi/j4fY/ZutLmadd/QvbMABJtPSlG7lnBCUhMnYcu2Niiy1dpE186M5k4o1WJVzXmUcq6CAbooJtD4OrwyvvLXETegsB+BzuTA5MQ==';
const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGLz5t3dTXvzIhZcTM5wEqhFpwUO7kxTKeyX1MX7Wzkp captain@reef';

/** A disk whose boot partition has some more files. */
async function diskWith(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const patched = new PatchedSource(bufferSource(disk));
  const editor = await FatEditor.open(patched, bootStart);
  for (const [path, text] of Object.entries(files)) await editor?.writeFile(path, Buffer.from(text));
  await editor?.flush();
  return patched.read(0, disk.length);
}

/** The boot partition after a personalisation. */
async function personalised(wanted: Personalisation, old: Readonly<Record<string, string>> = {}) {
  const patched = new PatchedSource(bufferSource(await diskWith(old)));
  const result = await personaliseDisk(patched, await preparePersonalisation(wanted), {
    label: 'hypriotos.img',
  });
  const fat = await openFat(sliceOf(patched, bootStart, disk.length));
  const tree = await fat?.readTree();
  const read = async (path: string) => {
    const content = tree?.get(`/${path}`)?.content;
    return content && (await content.read(0, content.sizeBytes)).toString();
  };
  return {...result, read};
}

const failure = (wanted: Personalisation, old?: Readonly<Record<string, string>>) =>
  personalised(wanted, old).then(
    () => expect.fail('it was accepted'),
    (error: unknown) => error as Error,
  );

async function file(text: string): Promise<string> {
  const path = join(await makeTempFolder(), 'given');
  await writeFile(path, text);
  return path;
}

describe('a host name', () => {
  it('goes into an image that has no user-data', async () => {
    const {read, files} = await personalised({hostname: 'reef'});
    expect(await read('user-data')).toBe('#cloud-config\n\nhostname: reef\n');
    expect(await read('meta-data')).toMatch(/^instance-id: hypriotkit-[0-9a-f]{16}\n$/);
    expect(files).toEqual(['user-data', 'meta-data']);
  });

  it('replaces the one that is there, and whatever would keep it from counting', async () => {
    const old = `#cloud-config
# vim: syntax=yaml
hostname: black-pearl # the ship
fqdn: black-pearl.example.org
preserve_hostname: true

# who may log in
users:
  - name: pirate
    groups: [users, docker]
`;
    const {read} = await personalised({hostname: 'reef'}, {'user-data': old});
    expect(await read('user-data')).toBe(
      old
        .replace('hostname: black-pearl #', 'hostname: reef #')
        .replace('fqdn: black-pearl', 'fqdn: reef')
        .replace('preserve_hostname: true', 'preserve_hostname: false'),
    );
  });

  it.each(['-reef', 'reef_1', 'a'.repeat(64), '', 'reef.example.org', 'reef\n'])(
    '%j is refused',
    async (hostname) => {
      const error = await failure({hostname});
      expect(error).toMatchObject({code: 'USAGE'});
      expect(error.message).toContain('--hostname');
    },
  );
});

describe('an SSH key', () => {
  it('may log in as the default user, and is not added twice', async () => {
    const old = {'user-data': `#cloud-config\nssh_authorized_keys:\n  - ${key}\n`};
    const other = key.replace('captain@reef', 'mate@reef');
    const {read} = await personalised({sshKeys: [key, other, other]}, old);
    expect(await read('user-data')).toBe(`#cloud-config\nssh_authorized_keys:\n  - ${key}\n  - ${other}\n`);
  });

  it.each([
    ['users:\n  - name: captain\n', `users:\n  - name: captain\n    ssh_authorized_keys:\n      - ${key}\n`],
    [
      'users:\n  - default\n  - name: mate\n',
      `users:\n  - default\n  - name: mate\nssh_authorized_keys:\n  - ${key}\n`,
    ],
  ])('goes to the user that is meant in %j', async (users, expected) => {
    const {read} = await personalised({sshKeys: [key]}, {'user-data': `#cloud-config\n${users}`});
    expect(await read('user-data')).toBe(`#cloud-config\n${expected}`);
  });

  it('is read from a file with comments and several keys', async () => {
    const path = await file(`# mine\n\n${key}\nssh-rsa ${rsaBlob} old\n`);
    const {read} = await personalised({sshKeys: [path]});
    expect(await read('user-data')).toBe(
      `#cloud-config\n\nssh_authorized_keys:\n  - ${key}\n  - ssh-rsa ${rsaBlob} old\n`,
    );
  });

  it.each([
    [key.slice(0, 60), 'is cut off'],
    [key.replace('ssh-ed25519 ', 'ssh-rsa '), 'no ssh-rsa key'],
    [key.replace('AAAA', 'AA#A'), 'not base64'],
    ['ssh-dss AAAAB3NzaC1kc3M= old', 'no longer accepts'],
    ['hello', 'no such file'],
    ['/nonexistent/id_ed25519.pub', 'no such file'],
  ])('%j is refused', async (given, message) => {
    const error = await failure({sshKeys: [given]});
    expect(error).toMatchObject({code: 'USAGE'});
    expect(error.message).toContain('--ssh-key');
    expect(error.message).toContain(message);
  });

  it('is never a private one', async () => {
    const path = await file('-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n');
    expect((await failure({sshKeys: [path]})).message).toContain('private key');
    expect((await failure({sshKeys: [await file(`${key}\nnonsense here\n`)]})).message).toContain(
      'line 2 of',
    );
  });
});

describe('WiFi', () => {
  const wifi = [{ssid: 'Harbour', passphrase: 'black pearl'}];

  it('goes into an image without network-config, which keeps its wired network', async () => {
    const {read} = await personalised({wifi: [...wifi, {ssid: 'off', isHidden: true}], country: 'de'});
    expect(await read('network-config')).toBe(`network:
  version: 2
  ethernets:
    eth0:
      dhcp4: true
      dhcp6: true
      optional: true
  wifis:
    wlan0:
      dhcp4: true
      dhcp6: true
      optional: true
      regulatory-domain: DE
      access-points:
        "Harbour":
          password: "black pearl"
        "off":
          hidden: true
`);
    expect(await read('cmdline.txt')).toBe(
      'console=tty0 root=PARTUUID=12345678-02 rootwait cfg80211.ieee80211_regdom=DE\n',
    );
  });

  it('joins what is there, in either form of the file', async () => {
    const inner =
      'version: 2\nwifis:\n  wl0:\n    # mine\n    regulatory-domain: FR\n    access-points:\n      Old:\n        password: "12345678"\n';
    const {read} = await personalised({wifi}, {'network-config': inner});
    expect(await read('network-config')).toBe(`${inner}      "Harbour":\n        password: "black pearl"\n`);
  });

  it('of the same name is replaced', async () => {
    const old =
      'network:\n  version: 2\n  wifis:\n    wlan0:\n      access-points:\n        Harbour: {password: "other one"}\n';
    const {read} = await personalised({wifi, country: 'GB'}, {'network-config': old});
    const text = (await read('network-config')) ?? '';
    expect(text.match(/Harbour/g)).toHaveLength(1);
    expect(text).toContain('password: "black pearl"');
  });

  it.each([
    [{wifi}, '--country'],
    [{wifi, country: 'UK'}, '"UK" is not known'],
    [{wifi, country: 'Germany'}, '"Germany" is not known'],
    [{wifi: [{ssid: 'A', passphrase: '1234567'}], country: 'DE'}, 'has 7 characters'],
    [{wifi: [{ssid: 'A', passphrase: 'x'.repeat(64)}], country: 'DE'}, 'has 64 characters'],
    [{wifi: [{ssid: 'A', passphrase: 'pässwörd'}], country: 'DE'}, 'not ASCII'],
    [{wifi: [{ssid: 'x'.repeat(33), passphrase: '12345678'}], country: 'DE'}, '--ssid'],
  ])('%j is refused', async (wanted, message) => {
    const error = await failure(wanted);
    expect(error).toMatchObject({code: 'USAGE'});
    expect(error.message).toContain(message);
    expect(error.message).not.toContain('1234567');
  });

  it('may have a key of 64 hex digits', async () => {
    const {read} = await personalised({wifi: [{ssid: 'A', passphrase: '0a'.repeat(32)}], country: 'DE'});
    expect(await read('network-config')).toContain(`password: "${'0a'.repeat(32)}"`);
  });

  it('cannot go into version 1', async () => {
    const old = {'network-config': 'version: 1\nconfig: []\n'};
    expect((await failure({wifi, country: 'DE'}, old)).message).toContain('version 1');
  });
});

describe('files of cloud-init', () => {
  it('replace those of the image, as they are', async () => {
    const text = '#cloud-config\n\npackages:   [ htop ]\n# end';
    const {read} = await personalised(
      {userData: await file(text)},
      {'user-data': '#cloud-config\nhostname: a\n'},
    );
    expect(await read('user-data')).toBe(text);
  });

  it('are the start for what other options change', async () => {
    const {read} = await personalised({
      userData: await file('#cloud-config\npackages: [htop]\n'),
      hostname: 'reef',
    });
    expect(await read('user-data')).toBe('#cloud-config\npackages: [htop]\nhostname: reef\n');
  });

  it('give cloud-init a reason to run again, and the same files give none', async () => {
    const id = async (wanted: Personalisation, old?: Record<string, string>) =>
      (await personalised(wanted, old)).read('meta-data');
    const [a, b] = [await id({hostname: 'a'}), await id({hostname: 'b'})];
    expect(a).not.toBe(b);
    expect(await id({hostname: 'a'})).toBe(a);
    expect(await id({hostname: 'a'}, {'meta-data': 'instance-id: old\nlocal-hostname: x\n'})).toMatch(
      /^local-hostname: x\ninstance-id: hypriotkit-/,
    );
    expect(await id({metaData: await file('instance-id: mine\n')})).toBe('instance-id: mine\n');
    expect((await personalised({kernelArguments: ['quiet']})).files).toEqual(['cmdline.txt']);
  });

  it.each([
    ['hostname: reef\n', 'its first line must be "#cloud-config"'],
    ['#!/bin/sh\necho\n', 'is a script'],
    ['# cloud-config\n', 'written just so'],
    ['#cloud-config\nusers: [\n', 'is not YAML'],
    ['#cloud-config\na: 1\na: 2\n', 'is not YAML'],
    ['#cloud-config\n- a\n', 'the file must have keys'],
    ['#cloud-config\nhostnme: reef\n', 'hostnme is not known, did you mean "hostname"?'],
    [
      '#cloud-config\nusers:\n  - name: a\n    ssh_authorised_keys: []\n',
      'did you mean "ssh_authorized_keys"?',
    ],
    ['#cloud-config\npackages: htop\n', 'packages must be a list, found "htop"'],
    ['#cloud-config\nwrite_files:\n  - path: etc/x\n', 'write_files.0.path must be an absolute path'],
    ['#cloud-config\nwrite_files:\n  - path: /etc/x\n    permissions: 0644\n', 'must be a mode in octal'],
    ['#cloud-config\npackage_update: "yes"\n', 'package_update must be true or false'],
  ])('that say %j are refused', async (text, message) => {
    const error = await failure({userData: await file(text)});
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/given:\d+:\d+ /);
  });

  it.each([
    ['network:\n  version: 3\n', 'network.version must be 1 or 2'],
    ['network:\n  ethernets: {}\n', 'network.version must be there'],
    ['version: 2\nethernet:\n  eth0: {}\n', 'did you mean "ethernets"?'],
    ['version: 2\nethernets:\n  eth0: {dhcp: true}\n', 'did you mean "dhcp4"?'],
    ['version: 2\nethernets:\n  eth0:\n    addresses: [192.168.1.5]\n', 'prefix length'],
    [
      'version: 2\nwifis:\n  wlan0:\n    access-points:\n      A: {password: "short"}\n',
      'must have 8 to 63 characters',
    ],
  ])('for the network that say %j are refused', async (text, message) => {
    const error = await failure({networkConfig: await file(text)});
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toContain(message);
  });

  it('do not show their passwords', async () => {
    const text = 'version: 2\nwifis:\n  wlan0:\n    access-points: {A: {password: s3cret}}\n';
    const error = await failure({networkConfig: await file(text)});
    expect(error.message).toContain('8 to 63');
    expect(error.message).not.toContain('s3cret');
  });

  it('that the image has, but nobody could read, are named', async () => {
    const error = await failure({hostname: 'reef'}, {'user-data': 'hello\n'});
    expect(error.message).toContain('user-data of the image');
  });

  it('with keys that may be new are taken with a warning', async () => {
    const {warnings} = await personalised({userData: await file('#cloud-config\nx_new_module: 1\n')});
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('may not know "x_new_module"');
  });
});

describe('the firmware and the kernel', () => {
  it('get arguments, of which the last of a name counts', async () => {
    const {read} = await personalised({
      kernelArguments: ['rootwait=5 quiet', 'console=ttyS0 quiet dyndbg="a b"'],
    });
    expect(await read('cmdline.txt')).toBe(
      'console=tty0 root=PARTUUID=12345678-02 rootwait=5 console=ttyS0 quiet dyndbg="a b"\n',
    );
  });

  it('get lines for all boards', async () => {
    const {read} = await personalised({configTxt: ['dtparam=audio=on', 'arm_64bit=1']});
    expect(await read('config.txt')).toBe(
      'arm_64bit=1\n\n[pi4]\nmax_framebuffers=2\n\n[all]\ndtparam=audio=on\n',
    );
  });

  it.each([
    [{kernelArguments: ['a\nb']}, '--cmdline'],
    [{configTxt: ['audio on']}, '--config-txt'],
    [{configTxt: [`dtparam=${'x'.repeat(99)}`]}, '--config-txt'],
  ])('refuse %j', async (wanted, option) => {
    expect((await failure(wanted)).message).toContain(option);
  });
});

describe('other files', () => {
  it('are copied, into folders that are made', async () => {
    const source = await file('text');
    const {read} = await personalised({
      files: [{source}, {source, destination: '/overlays/x.dtbo'}, {source, destination: 'docs/'}],
    });
    for (const path of ['given', 'overlays/x.dtbo', 'docs/given']) expect(await read(path)).toBe('text');
  });

  it('that do not fit are refused as a whole', async () => {
    const source = await file('x'.repeat(40 * 1024 * 1024));
    const error = await failure({files: [{source}]});
    expect(error).toBeInstanceOf(PipelineError);
    expect(error.message).toContain('the boot partition of hypriotos.img is too small');
  });

  it.each([
    ['docs', 'is a folder there'],
    ['config.txt/x', 'is a file there'],
    ['a:b', 'does not allow'],
    ['..', 'is no name'],
    ['docs/..', 'is no name'],
  ])('cannot go to %j', async (destination, message) => {
    expect((await failure({files: [{source: await file('x'), destination}]})).message).toContain(message);
  });

  it('must exist, and not be what other options change', async () => {
    const folder = join(await makeTempFolder(), 'folder');
    await mkdir(folder);
    expect((await failure({files: [{source: folder}]})).message).toContain('not a regular file');
    expect((await failure({files: [{source: '/nonexistent'}]})).message).toContain('does not exist');
    const source = await file('x');
    const twice = {hostname: 'a', files: [{source, destination: 'User-Data'}]};
    expect((await failure(twice)).message).toContain('--file replaces user-data');
  });
});

it('a disk without a boot partition is refused', async () => {
  const wanted = await preparePersonalisation({hostname: 'reef'});
  const work = personaliseDisk(new PatchedSource(bufferSource(Buffer.alloc(4096))), wanted, {label: 'x.img'});
  await expect(work).rejects.toMatchObject({code: 'IMAGE_UNUSABLE'});
});
