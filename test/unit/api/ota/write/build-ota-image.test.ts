import {createPrivateKey} from 'node:crypto';
import {mkdir, open, readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {
  addImage,
  buildOtaImage,
  deployImage,
  diffImages,
  FileTable,
  finalizeImage,
  finishExternalSignature,
  ImageReader,
  initImage,
  packArtifact,
  prepareExternalSignature,
  signImage,
  verifyResources,
  verifySignature,
  type BuildOtaImageOptions,
} from '../../../../../api/ota/image/index.ts';
import {SigningKey} from '../../../../../api/ota/image/write/signing-key.ts';
import {makeTempFolder} from '../../temp-folder.ts';
import {issue, now} from '../signing/certificates.ts';
import {makeTree, packTree} from './rootfs-tree.ts';

const created = now.getTime() / 1000;
const annotations = {
  'vnd.tier4.image.base-image': 'debian',
  'vnd.tier4.pilot-auto.platform.ecu.architecture': 'aarch64',
  'vnd.tier4.ota.release-key': 'dev',
};

async function makeSigning() {
  const ca = await issue({name: 'root', ca: {}});
  const leaf = await issue({name: 'sign', issuer: ca});
  const key = leaf.privateKey.export({type: 'pkcs8', format: 'pem'}) as string;
  return {ca, key, certificate: leaf.pem};
}

async function setUp() {
  const folder = await makeTempFolder();
  const rootfs = await makeTree(folder);
  const {ca, ...signing} = await makeSigning();
  const build = async (name: string, options: Partial<BuildOtaImageOptions> = {}) => {
    const output = join(folder, name);
    await buildOtaImage({rootfs, ecus: [{ecuId: 'main'}], annotations, created, signing, output, ...options});
    return readFile(output);
  };
  return {folder, rootfs, ca, signing, build};
}

describe('buildOtaImage', () => {
  it('makes the same bytes with any number of workers, from a folder and from a tar', async () => {
    const {folder, rootfs, build} = await setUp();
    const artifact = await build('a.zip', {workers: 0});
    expect((await build('b.zip', {workers: 3})).equals(artifact)).toBe(true);
    const tar = packTree(rootfs, join(folder, 'rootfs.tar'));
    expect((await build('c.zip', {rootfs: tar})).equals(artifact)).toBe(true);
  });

  it('makes what the single steps make', async () => {
    const {folder, rootfs, signing, build} = await setUp();
    const image = join(folder, 'image');
    await initImage(image, annotations);
    await addImage({image, rootfs, annotations, ecus: [{ecuId: 'main'}], created});
    await finalizeImage({image, created});
    await signImage({image, ...signing, signedAt: created});
    await packArtifact({image, output: join(folder, 'steps.zip')});
    expect((await readFile(join(folder, 'steps.zip'))).equals(await build('built.zip'))).toBe(true);
  });

  it('is signed, whole, and has every file of the tree', async () => {
    const {folder, ca, build} = await setUp();
    await build('a.zip');
    const trusted = join(folder, 'ca');
    await mkdir(trusted);
    await writeFile(join(trusted, 'root.pem'), ca.pem);
    await using image = await ImageReader.open(join(folder, 'a.zip'));
    expect((await verifySignature(image, {caFolder: trusted, now})).isTrusted).toBe(true);
    expect((await verifyResources(image)).problems).toEqual([]);
    const {layers} = await image.manifest(image.payload('main'));
    await using table = await FileTable.open(image.source, layers[0]);
    const rows = new Map([...table.regulars()].map((row) => [row.path, row]));
    expect(rows.size).toBe(147);
    expect(rows.get('/suid')?.inode.mode).toBe(0o106755);
    expect(rows.get('/text')?.inode).toMatchObject({linksCount: 2, id: rows.get('/hard link')?.inode.id});
    expect([...table.nonRegulars()].map(({path, target}) => [path, target])).toEqual([
      ['/etc/dangling', '../nowhere'],
    ]);
  });

  it('says what a device must download for the next version', async () => {
    const {folder, rootfs, build} = await setUp();
    await build('old.zip');
    await writeFile(join(rootfs, 'etc/65'), 'z'.repeat(70));
    await build('new.zip');
    await using before = await ImageReader.open(join(folder, 'old.zip'));
    await using after = await ImageReader.open(join(folder, 'new.zip'));
    const diff = await diffImages(before, after, {ecuId: 'main'});
    expect(diff.paths.map(({path}) => path)).toEqual(['/etc/65']);
    expect(diff.blobs).toBe(1);
    expect((await diffImages(before, before, {ecuId: 'main'})).bytes).toBe(0);
  });
});

describe('an encrypted key', () => {
  it('signs the same with its password, and is refused without it or with another', async () => {
    const {signing, build} = await setUp();
    const key = createPrivateKey(signing.key).export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'open sesame',
    }) as string;
    const artifact = await build('plain.zip');
    expect(
      (await build('a.zip', {signing: {...signing, key, passphrase: 'open sesame'}})).equals(artifact),
    ).toBe(true);
    await expect(build('b.zip', {signing: {...signing, key}})).rejects.toMatchObject({
      code: 'KEY_INVALID',
      message: 'The signing key is encrypted and needs its password',
    });
    await expect(build('b.zip', {signing: {...signing, key, passphrase: 'wrong'}})).rejects.toMatchObject({
      code: 'KEY_INVALID',
      message: 'The signing key cannot be read',
    });
  });
});

describe('a build that fails', () => {
  it('leaves nothing behind and names what is wrong', async () => {
    const {folder, rootfs, signing, build} = await setUp();
    const other = (await makeSigning()).key;
    const before = (await readdir(folder)).sort();
    const p384 = await issue({name: 'p384', curve: 'P-384'});
    const wrongCurve = p384.privateKey.export({type: 'pkcs8', format: 'pem'}) as string;
    await expect(build('x.zip', {signing: {...signing, key: other}})).rejects.toMatchObject({
      code: 'KEY_INVALID',
    });
    await expect(build('x.zip', {signing: {...signing, key: wrongCurve}})).rejects.toThrow(
      /curve does not match/,
    );
    await expect(build('x.zip', {annotations: {}})).rejects.toMatchObject({code: 'INPUT_INVALID'});
    await expect(build('x.zip', {rootfs: join(folder, 'absent')})).rejects.toMatchObject({
      code: 'ROOTFS_INVALID',
    });
    await expect(build('x.zip', {ecus: [{ecuId: 'a'}, {ecuId: 'a'}]})).rejects.toMatchObject({
      code: 'PAYLOAD_DUPLICATE',
    });
    await expect(build('rootfs')).rejects.toMatchObject({code: 'OUTPUT_EXISTS'});
    expect((await readdir(folder)).sort()).toEqual(before);
    await writeFile(Buffer.concat([Buffer.from(`${rootfs}/bad`), Buffer.of(0xff)]), '');
    await expect(build('x.zip')).rejects.toThrow(/not UTF-8: bad\\xff/);
    expect((await readdir(folder)).sort()).toEqual(before);
  });

  it('leaves an image as it was', async () => {
    const {folder, rootfs, signing} = await setUp();
    const image = join(folder, 'image');
    await initImage(image, annotations);
    await addImage({image, rootfs, annotations, ecus: [{ecuId: 'main'}], created});
    const before = [
      await readFile(join(image, 'index.json'), 'utf8'),
      (await readdir(join(image, 'blobs/sha256'))).sort(),
    ];
    const again = addImage({image, rootfs, annotations, ecus: [{ecuId: 'main'}], created});
    await expect(again).rejects.toMatchObject({code: 'PAYLOAD_DUPLICATE'});
    await expect(signImage({image, ...signing})).rejects.toMatchObject({code: 'NOT_FINALIZED'});
    await expect(packArtifact({image, output: join(folder, 'x.zip')})).rejects.toMatchObject({
      code: 'NOT_FINALIZED',
    });
    expect([
      await readFile(join(image, 'index.json'), 'utf8'),
      (await readdir(join(image, 'blobs/sha256'))).sort(),
    ]).toEqual(before);
    await finalizeImage({image, created});
    await expect(finalizeImage({image, created})).rejects.toMatchObject({code: 'ALREADY_FINALIZED'});
    await expect(packArtifact({image, output: join(folder, 'x.zip')})).rejects.toMatchObject({
      code: 'NOT_SIGNED',
    });
  });
});

describe('a signature by a key elsewhere', () => {
  it('is that of the key at hand, and is refused when it is of another', async () => {
    const {folder, rootfs, signing} = await setUp();
    const image = join(folder, 'image');
    await initImage(image, annotations);
    await addImage({image, rootfs, annotations, ecus: [{ecuId: 'main'}], created});
    await finalizeImage({image, created});
    const request = await prepareExternalSignature({
      image,
      certificate: signing.certificate,
      signedAt: created,
    });
    const answer = (key: string) => {
      const digest = Buffer.from(request.AWSKMSSignRequestTemplate.Message, 'base64');
      const Signature = SigningKey.fromPem(key, undefined).sign(digest, 'der').toString('base64');
      return JSON.stringify({
        JWTPayloadUnsigned: request.JWTPayloadUnsigned,
        AWSKMSSignResponse: {Signature, SigningAlgorithm: 'ECDSA_SHA_256'},
      });
    };
    const wrong = answer((await makeSigning()).key);
    await expect(finishExternalSignature(wrong, image)).rejects.toMatchObject({code: 'SIGNATURE_INVALID'});
    const jwt = await finishExternalSignature(answer(signing.key), image);
    await signImage({image, ...signing, signedAt: created, force: true});
    expect(await readFile(join(image, 'index.jwt'), 'utf8')).toBe(jwt);
  });
});

it('takes a large file with holes through building, verifying and deploying', async () => {
  const folder = await makeTempFolder();
  const rootfs = join(folder, 'rootfs');
  await mkdir(rootfs);
  const sizeBytes = 256 * 1024 * 1024;
  const file = await open(join(rootfs, 'zeros'), 'wx');
  await file.write(Buffer.from('the end'), 0, 7, sizeBytes - 7);
  await file.close();
  const output = join(folder, 'x.zip');
  const {sizeBytes: packed} = await buildOtaImage({
    rootfs,
    ecus: [{ecuId: 'main'}],
    annotations,
    created,
    output,
  });
  expect(packed).toBeLessThan(200_000);
  await using image = await ImageReader.open(output);
  expect((await verifyResources(image)).isSound).toBe(true);
  await deployImage(image, {ecuId: 'main', rootfsDir: join(folder, 'out')});
  // Every digest was checked meanwhile; that the bytes are in this file is left to see.
  const made = await open(join(folder, 'out/zeros'));
  try {
    expect((await made.stat()).size).toBe(sizeBytes);
    const {buffer} = await made.read(Buffer.alloc(10), 0, 10, sizeBytes - 10);
    expect(buffer.toString('latin1')).toBe('\0\0\0the end');
  } finally {
    await made.close();
  }
});
