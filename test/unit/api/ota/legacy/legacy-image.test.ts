import {execFileSync} from 'node:child_process';
import {createHash, randomBytes} from 'node:crypto';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {beforeEach, describe, expect, it} from 'vitest';
import {buildLegacyImage} from '../../../../../api/ota/legacy/build-legacy.ts';
import {deployLegacyImage} from '../../../../../api/ota/legacy/deploy-legacy.ts';
import {LegacyImage} from '../../../../../api/ota/legacy/legacy-image.ts';
import {formatSigningInput, parseMetadataToken} from '../../../../../api/ota/legacy/metadata-jwt.ts';
import {verifyLegacyImage} from '../../../../../api/ota/legacy/verify-legacy.ts';
import {makeTempFolder} from '../../temp-folder.ts';

const fixtures = new URL('../../../../fixtures/ota-legacy/', import.meta.url).pathname;
const sample = join(fixtures, 'image.tgz');

let folder: string;
const at = (...names: string[]) => join(folder, ...names);
beforeEach(async () => {
  folder = await makeTempFolder();
});

function unpackSample(): string {
  mkdirSync(at('image'));
  execFileSync('tar', ['-xzf', sample, '-C', at('image'), '--exclude=./data/dev/*']);
  return at('image');
}

describe('the image of the reference', () => {
  it('verifies, and its certificate chains to its group', async () => {
    await using image = await LegacyImage.open(sample, folder);
    const verified = await verifyLegacyImage(image, {caFolder: fixtures, now: new Date('2027-01-01')});
    expect(verified).toMatchObject({environment: 'test', regularFiles: 251, contents: 237});
    expect(verified.signer).toContain('CN=sign.tier4.jp');
  });

  it('has a token whose signing input we would write byte for byte', async () => {
    await using image = await LegacyImage.open(sample, folder);
    expect(formatSigningInput(image.token.metadata)).toBe(image.token.signingInput);
    // Also without the padding.
    const bare = image.tokenBytes.toString().replaceAll('=', '');
    expect(parseMetadataToken(bare).metadata).toEqual(image.token.metadata);
  });

  it('is not trusted by others, nor before or after its time', async () => {
    await using image = await LegacyImage.open(sample, folder);
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        at('k'),
        '-out',
        at('other.root.pem'),
        '-subj',
        '/CN=other',
        '-days',
        '9',
      ],
      {stdio: 'ignore'},
    );
    await expect(verifyLegacyImage(image, {caFolder: folder})).rejects.toMatchObject({code: 'CHAIN_INVALID'});
    await expect(
      verifyLegacyImage(image, {caFolder: fixtures, now: new Date('2020-01-01')}),
    ).rejects.toMatchObject({code: 'CHAIN_INVALID'});
    await expect(verifyLegacyImage(image, {caFolder: at('none')})).rejects.toMatchObject({
      code: 'CA_FOLDER_INVALID',
    });
  });

  it('is refused after a change of its signature or its certificate', async () => {
    const image = unpackSample();
    const token = readFileSync(join(image, 'metadata.jwt'), 'utf8');
    writeFileSync(join(image, 'metadata.jwt'), token.replace(/\.M/, '.N'));
    await using changed = await LegacyImage.open(image);
    await expect(verifyLegacyImage(changed)).rejects.toMatchObject({code: 'SIGNATURE_INVALID'});
    writeFileSync(join(image, 'certificate.pem'), readFileSync(join(fixtures, 'test.root.pem')));
    await expect(verifyLegacyImage(changed)).rejects.toMatchObject({code: 'BLOB_CORRUPT'});
  });

  it('is deployed as it is listed', async () => {
    await using image = await LegacyImage.open(sample, folder);
    await deployLegacyImage(image, at('rootfs'));
    for (const {path, sha256, mode, inode} of await image.regulars()) {
      const file = at('rootfs', path);
      expect(createHash('sha256').update(readFileSync(file)).digest('hex'), path).toBe(sha256);
      expect(statSync(file).mode & 0o7777, path).toBe(mode);
      expect(statSync(file).nlink > 1, path).toBe(inode !== undefined);
    }
    for (const {path, target} of await image.symlinks())
      expect(readlinkSync(at('rootfs', path))).toBe(target);
    for (const {path, mode} of await image.directories())
      expect(lstatSync(at('rootfs', path)).mode & 0o7777).toBe(mode);
    await expect(deployLegacyImage(image, at('rootfs'))).rejects.toMatchObject({code: 'OUTPUT_EXISTS'});
  });
});

describe('an image that we build', () => {
  function makeRootfs(): void {
    for (const name of ['boot', 'etc', 'opt']) mkdirSync(at('rootfs', name), {recursive: true});
    writeFileSync(at('rootfs/boot/vmlinuz-6.12.47+rpt-rpi-v8'), 'kernel of a Raspberry Pi');
    writeFileSync(at('rootfs/etc/empty'), '');
    writeFileSync(at('rootfs/etc/large'), 'compressible '.repeat(10_000));
    writeFileSync(at(`rootfs/opt/it's, "q" ü`), 'x');
    chmodSync(at(`rootfs/opt/it's, "q" ü`), 0o4755);
    linkSync(at('rootfs/etc/empty'), at('rootfs/opt/linked'));
    symlinkSync("it's", at('rootfs/opt/link'));
    execFileSync('mkfifo', [at('rootfs/opt/pipe')]);
    const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '9'];
    execFileSync(
      'openssl',
      ['req', '-x509', ...ec, '-keyout', at('key.pem'), '-out', at('cert.pem'), '-subj', '/CN=signer'],
      {stdio: 'ignore'},
    );
    writeFileSync(at('persistents.txt'), "'/etc/hostname'");
  }
  const build = (output: string) =>
    buildLegacyImage({
      rootfs: at('rootfs'),
      output,
      signKey: at('key.pem'),
      certificate: at('cert.pem'),
      persistents: at('persistents.txt'),
    });

  it('verifies, is the same every time, and deploys to the tree that it was made of', async () => {
    makeRootfs();
    expect(await build(at('image'))).toEqual({
      directories: 3,
      symlinks: 1,
      regularFiles: 5,
      compressedFiles: 1,
      dropped: ['/opt/pipe'],
    });
    await build(at('again'));
    execFileSync('diff', ['-r', '--no-dereference', at('image'), at('again')]);
    await using image = await LegacyImage.open(at('image'));
    expect(await verifyLegacyImage(image)).toMatchObject({regularFiles: 5});
    expect(readFileSync(at('image/regulars.txt'), 'utf8')).toContain(String.raw`'/opt/it'\''s, "q" ü',1,,`);
    await deployLegacyImage(image, at('deployed'));
    execFileSync('rm', [at('rootfs/opt/pipe')]);
    execFileSync('diff', ['-r', '--no-dereference', at('rootfs'), at('deployed')]);
    expect(statSync(at(`deployed/opt/it's, "q" ü`)).mode & 0o7777).toBe(0o4755);
    expect(statSync(at('deployed/etc/empty')).ino).toBe(statSync(at('deployed/opt/linked')).ino);
  });

  it('with a large file is verified piece by piece', async () => {
    makeRootfs();
    // Two digits for each byte: half of it remains, many pieces of a stream.
    writeFileSync(at('rootfs/opt/large'), randomBytes(6 * 1024 * 1024).toString('hex'));
    await build(at('image'));
    await using image = await LegacyImage.open(at('image'));
    expect(await verifyLegacyImage(image)).toMatchObject({regularFiles: 6});
  });

  it('is not built with a key that is not that of the certificate, nor over anything', async () => {
    makeRootfs();
    execFileSync('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', at('key.pem')]);
    await expect(build(at('image'))).rejects.toMatchObject({code: 'KEY_INVALID'});
    execFileSync('openssl', ['genrsa', '-out', at('key.pem'), '2048'], {stdio: 'ignore'});
    await expect(build(at('image'))).rejects.toMatchObject({code: 'KEY_INVALID'});
    expect(readdirSync(folder)).not.toContain('image');
  });

  it('with a line break in a name is refused and leaves nothing', async () => {
    makeRootfs();
    writeFileSync(at('rootfs/etc/a\nb'), '');
    await expect(build(at('image'))).rejects.toMatchObject({code: 'PATH_UNSAFE'});
    expect(readdirSync(folder)).not.toContain('image');
  });
});
