import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {dirname, join, relative} from 'node:path';
import {describe, expect, it} from 'vitest';
import {
  addImage,
  addOtaclientPackage,
  addOtaclientPackageLegacy,
  buildAnnotation,
  buildExcludeConfig,
  finalizeImage,
  ImageReader,
  initImage,
  prepareSysimg,
  readBlob,
  ResourceTable,
} from '../../../../../api/ota/image/index.ts';
import {sha256Hex} from '../../../../../api/ota/image/model/digest.ts';
import {makeTempFolder} from '../../temp-folder.ts';
import {listTree} from '../image/image-rig.ts';

const annotations = {
  'vnd.tier4.image.base-image': 'debian',
  'vnd.tier4.pilot-auto.platform.ecu.architecture': 'aarch64',
  'vnd.tier4.ota.release-key': 'dev',
};

function fill(root: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), {recursive: true});
    writeFileSync(join(root, path), content);
  }
}

describe('prepare-sysimg', () => {
  const tree = {
    'dev/null': '',
    'proc/1/status': '',
    'run/x': '',
    'tmp/x': '',
    'lost+found/x': '',
    '.dockerenv': '',
    'etc/resolv.conf': 'nameserver 192.0.2.1\nnameserver 127.0.0.53\n',
    'var/log/apt/history.log.1': '',
    'var/log/dpkg.log': '',
    'var/log/journal/a/system.journal': '',
    'var/log/dmesg.0': '',
    'var/log/lastlog': '',
    'var/log/syslog.2.gz': '',
    'var/log/wtmp': '',
    'home/autoware/x/build/y': '',
    'boot/ota/y': '',
    'srv/exact': '',
    'srv/exact.not': '',
    'opt/a1/cache/x': '',
    'opt/b1/cache/x': '',
    'usr/lib/python/__pycache__/x.pyc': '',
    'usr/keep': '',
  };

  it('removes what does not belong there, through a relative path too, and follows no link', async () => {
    const folder = await makeTempFolder();
    const root = join(folder, 'root');
    fill(root, tree);
    fill(join(folder, 'elsewhere'), {'a.log': ''});
    symlinkSync('../../../elsewhere', join(root, 'var/log/link'));
    chmodSync(join(root, 'tmp'), 0o1777);
    const patterns = `# a remark\n// another\n\n /srv/exact \n/opt/a?/cache\n__pycache__\nhome/autoware/x/build\nboot/ota/y\n`;
    const removed = await prepareSysimg(relative(process.cwd(), root), patterns);
    expect(removed).toEqual([
      '/opt/a1/cache',
      '/srv/exact',
      '/usr/lib/python/__pycache__',
      '/var/log/apt/history.log.1',
      '/var/log/dmesg.0',
      '/var/log/dpkg.log',
      '/var/log/journal/a/system.journal',
      '/var/log/lastlog',
      '/var/log/syslog.2.gz',
    ]);
    // Node.js lists through links.
    const files = listTree(folder).filter((path) => !path.startsWith('root/var/log/link/'));
    expect(files.filter((path) => !lstatSync(join(folder, path)).isDirectory())).toEqual([
      'elsewhere/a.log',
      'root/boot/ota/y',
      'root/etc/resolv.conf',
      'root/home/autoware/x/build/y',
      'root/opt/b1/cache/x',
      'root/srv/exact.not',
      'root/usr/keep',
      'root/var/log/link',
      'root/var/log/wtmp',
    ]);
    for (const name of ['dev', 'proc', 'sys', 'run', 'tmp'])
      expect(readdirSync(join(root, name))).toEqual([]);
    expect(statSync(join(root, 'tmp')).mode & 0o7777).toBe(0o1777);
    expect(readlinkSync(join(root, 'etc/resolv.conf'))).toBe('../run/systemd/resolve/stub-resolv.conf');
  });

  it('makes what is not there, /tmp for everybody', async () => {
    const root = await makeTempFolder();
    await prepareSysimg(root);
    const modes = ['dev', 'tmp'].map((name) => statSync(join(root, name)).mode & 0o7777);
    expect(modes).toEqual([0o755, 0o1777]);
  });

  it.each<[string, string, boolean]>([
    ['with servers on the device only', 'search x\nnameserver 127.0.0.53\nnameserver ::1\n', true],
    ['without a server', '# nameserver 127.0.0.53\n', false],
    ['with one elsewhere', 'nameserver 127.0.0.53\nnameserver 2001:db8::1\n', false],
  ])('treats a resolv.conf %s as the reference does', async (_what, content, stays) => {
    const root = await makeTempFolder();
    fill(root, {'etc/resolv.conf': content});
    await prepareSysimg(root);
    expect(lstatSync(join(root, 'etc/resolv.conf')).isFile()).toBe(stays);
  });

  it('refuses an OTA image, this machine, and what is no folder', async () => {
    const folder = await makeTempFolder();
    await initImage(join(folder, 'image'), {});
    for (const path of [join(folder, 'image'), '/', join(folder, 'none')])
      await expect(prepareSysimg(path)).rejects.toMatchObject({code: 'ROOTFS_INVALID'});
    expect(existsSync(join(folder, 'image/index.json'))).toBe(true);
  });
});

describe('build-annotation', () => {
  it('sets what is absent, then replaces, and ignores what images do not have', () => {
    const version = 'vnd.tier4.pilot-auto.project.version';
    const platform = 'vnd.tier4.pilot-auto.platform';
    const repository = 'vnd.tier4.pilot-auto.project.source-repo';
    const {annotations: made, ignored} = buildAnnotation({
      base: {[platform]: 'base', description: 'kept'},
      user: [`${platform}=user`, `${version}=user`, `${repository}=not a user's`],
      addOr: [`${version}=or`, `${repository}=or=with=signs`],
      addReplace: [`${platform}=replaced`, 'unknown.key=x'],
    });
    expect(made).toEqual({
      [platform]: 'replaced',
      description: 'kept',
      [version]: 'user',
      [repository]: 'or=with=signs',
    });
    expect(ignored).toEqual([repository, 'unknown.key']);
    expect(() => buildAnnotation({addOr: ['no sign']})).toThrow('Expected key=value');
  });
});

it('build-exclude-cfg gives each allowed pattern once', async () => {
  const folder = await makeTempFolder();
  fill(folder, {
    a: ' /b \n.\n..\n/\n/boot/ota\n/boot/ota-status\n/home/autoware/x/build\n/home/autoware.x/build\n',
    b: '/b\n\n*.log\n/home/autoware/x/src\n',
  });
  const patterns = await buildExcludeConfig([join(folder, 'a'), join(folder, 'b')]);
  expect(patterns).toEqual(['*.log', '/b', '/home/autoware/x/src']);
  await expect(buildExcludeConfig([join(folder, 'c')])).rejects.toMatchObject({code: 'INPUT_INVALID'});
});

describe('an otaclient release', () => {
  const squashfs = Buffer.alloc(3000, 'squashfs');
  const checksum = `sha256:${sha256Hex(squashfs)}`;
  const item = {version: '3.10.0', type: 'squashfs', size: squashfs.length, checksum};
  const manifest = {
    schema_version: '1',
    date: '2026-01-02',
    packages: [
      {...item, filename: 'arm64.squashfs', architecture: 'arm64'},
      {...item, filename: 'x.patch', type: 'patch', architecture: 'arm64'},
      {...item, filename: 'x86_64.squashfs', architecture: 'x86_64', metadata: {base: 1}},
    ],
  };

  async function setUp(change: object = {}) {
    const folder = await makeTempFolder();
    const [image, release, rootfs] = ['image', 'release', 'rootfs'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await initImage(image, annotations);
    // With a space that a writer of its own would not make: the file is stored as it is.
    fill(release, {'manifest.json': ` ${JSON.stringify({...manifest, ...change})}\n`});
    for (const name of ['arm64', 'x86_64']) writeFileSync(join(release, `${name}.squashfs`), squashfs);
    fill(rootfs, {'etc/x': 'x'.repeat(100)});
    return {folder, image, release, rootfs};
  }

  it('becomes a manifest with a layer for each squashfs, and no resource', async () => {
    const {image, release, rootfs} = await setUp();
    await addImage({image, rootfs, annotations, ecus: [{ecuId: 'main'}], created: 1, workers: 0});
    await addOtaclientPackage(image, release);
    await using reader = await ImageReader.open(image);
    const [, entry, table] = reader.index.manifests;
    expect(table?.mediaType).toContain('resource_table');
    if (!entry || !table) throw new Error('entries are missing');
    expect(Object.keys(entry)).toEqual(['size', 'digest', 'mediaType', 'artifactType']);
    expect(entry).toMatchObject({
      mediaType: 'application/vnd.tier4.otaclient.release-package.manifest.v1+json',
      artifactType: 'application/vnd.tier4.otaclient.release-package.v1',
    });
    const bytes = readFileSync(join(release, 'manifest.json'));
    const layer = (architecture: string) =>
      `{"size":3000,"digest":"${checksum}","annotations":{"version":"3.10.0","type":"squashfs","architecture":"${architecture}","size":3000,"checksum":"${checksum}"},"mediaType":"application/vnd.tier4.otaclient.release-package.v1.squashfs"}`;
    expect((await readBlob(reader.source, entry)).toString()).toBe(
      `{"config":{"size":${bytes.length},"digest":"sha256:${sha256Hex(bytes)}","mediaType":"application/vnd.tier4.otaclient.release-package.manifest.v1+json"},` +
        `"layers":[${layer('arm64')},${layer('x86_64')}],"annotations":{"date":"2026-01-02"},"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}`,
    );
    const resources = [...(await ResourceTable.open(reader.source, table)).rows].map(({digest}) => digest);
    expect(resources).not.toContain(sha256Hex(squashfs));
    await expect(addOtaclientPackage(image, release)).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: 'The image has an otaclient package already, and only one is allowed',
    });
    await finalizeImage({image, created: 1, workers: 0});
    for (const add of [addOtaclientPackage, addOtaclientPackageLegacy])
      await expect(add(image, release)).rejects.toMatchObject({
        code: 'ALREADY_FINALIZED',
        message: 'Modifying an already finalized image is NOT allowed, abort!',
      });
  });

  it('is copied for old otaclients, and once only', async () => {
    const {image, release} = await setUp();
    await addOtaclientPackageLegacy(image, release);
    expect(listTree(join(image, 'data/opt/ota/otaclient_release'))).toEqual(listTree(release));
    await expect(addOtaclientPackageLegacy(image, release)).rejects.toMatchObject({code: 'OUTPUT_EXISTS'});
  });

  it.each<[string, object]>([
    ['another checksum', {packages: [{...manifest.packages[0], checksum: `sha256:${'0'.repeat(64)}`}]}],
    ['another size', {packages: [{...manifest.packages[0], size: 1}]}],
    ['a file that is not there', {packages: [{...manifest.packages[0], filename: 'none'}]}],
    ['a file elsewhere', {packages: [{...manifest.packages[0], filename: '../rootfs/etc/x', size: 100}]}],
    ['another schema', {schema_version: '2'}],
  ])('is refused with %s, and nothing is left', async (_what, change) => {
    const {image, release} = await setUp(change);
    const before = listTree(image);
    await expect(addOtaclientPackage(image, release)).rejects.toMatchObject({
      code: expect.stringMatching(/^(INPUT|METADATA)_INVALID$/) as string,
    });
    expect(listTree(image)).toEqual(before);
  });
});
