import fc from 'fast-check';
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {OtaError} from '../../../../../api/ota/ota-error.ts';
import {ImageReader} from '../../../../../api/ota/image/read/image-reader.ts';
import {readFile} from '../../../../../api/ota/image/read/read-file.ts';
import {verifyResources} from '../../../../../api/ota/image/verify/verify-resources.ts';
import {makeTempFolder} from '../../temp-folder.ts';
import {makeZip, sample, type TestZipEntry} from './image-rig.ts';

const artifact = readFileSync(join(sample, 'main-dev.zip'));
const index = {name: 'index.json', bytes: Buffer.from('{}')};

/** Opens an archive and reads the blob `a` of it. */
async function open(bytes: Buffer): Promise<unknown> {
  const file = join(await makeTempFolder(), 'image.zip');
  writeFileSync(file, bytes);
  await using image = await ImageReader.open(file);
  return await readFile(image.source, 'a');
}

/** An archive with a sound index and these entries. */
async function sound(...entries: readonly TestZipEntry[]): Promise<Buffer> {
  await using image = await ImageReader.open(join(sample, 'main-dev.zip'));
  return makeZip([{name: 'index.json', bytes: image.indexBytes}, ...entries]);
}

describe('an archive is refused', () => {
  const a = {name: 'a', bytes: Buffer.from('content')};
  it.each<[string, () => Buffer | Promise<Buffer>]>([
    ['that leads upwards', () => makeZip([index, {...a, name: '../a'}])],
    ['that leads upwards from a folder', () => makeZip([index, {...a, name: 'blobs/../../a'}])],
    ['with an absolute path', () => makeZip([index, {...a, name: '/a'}])],
    ['with a backslash', () => makeZip([index, {...a, name: 'blobs\\a'}])],
    ['with a NUL', () => makeZip([index, {...a, name: 'a\0b'}])],
    ['with a name twice', () => makeZip([index, a, a])],
    ['with a file and a folder of one name', () => makeZip([index, a, {name: 'a/', bytes: Buffer.alloc(0)}])],
    ['with entries that overlap', () => makeZip([index, a, {...a, name: 'b', offset: 0}])],
    ['with a compressed entry', () => makeZip([index, {...a, method: 8}])],
    ['with two names for one entry', () => makeZip([index, {...a, localName: 'b'}])],
    ['with a wrong CRC', () => sound({...a, crc: 1})],
    ['without end', () => artifact.subarray(0, -1)],
    ['cut in the middle', () => artifact.subarray(0, artifact.length / 2)],
    ['with something before it', () => Buffer.concat([Buffer.from('#!'), artifact])],
    ['with something after it', () => Buffer.concat([artifact, Buffer.from('x')])],
    ['of no bytes', () => Buffer.alloc(0)],
  ])('%s', async (_what, make) => {
    await expect(open(await make())).rejects.toMatchObject({code: 'ZIP_INVALID'});
  });

  it('with a zip64 record that contradicts the classic one', async () => {
    const zip = makeZip([index]);
    const end = zip.length - 22;
    const wide = Buffer.alloc(56);
    wide.writeUInt32LE(0x06064b50, 0);
    wide.writeBigUInt64LE(44n, 4);
    wide.writeBigUInt64LE(0n, 24);
    wide.writeBigUInt64LE(0n, 32);
    wide.writeBigUInt64LE(0n, 40);
    wide.writeBigUInt64LE(BigInt(end), 48);
    const locator = Buffer.alloc(20);
    locator.writeUInt32LE(0x07064b50, 0);
    locator.writeBigUInt64LE(BigInt(end), 8);
    const lying = Buffer.concat([zip.subarray(0, end), wide, locator, zip.subarray(end)]);
    await expect(open(lying)).rejects.toMatchObject({code: 'ZIP_INVALID'});
  });

  it('that has no index', async () => {
    await expect(open(makeZip([a]))).rejects.toMatchObject({code: 'NOT_AN_IMAGE'});
  });
});

it('reads a stored entry, and an archive with a comment', async () => {
  const zip = await sound({name: 'a', bytes: Buffer.from('content')});
  expect(await open(zip)).toEqual(Buffer.from('content'));
  const commented = Buffer.concat([zip, Buffer.from('hi')]);
  commented.writeUInt16LE(2, zip.length - 2);
  expect(await open(commented)).toEqual(Buffer.from('content'));
});

it('never does anything but read or refuse, whatever bytes are changed', async () => {
  const file = join(await makeTempFolder(), 'image.zip');
  const change = fc.record({
    // Mostly in the records, where it matters.
    at: fc.oneof(
      fc.integer({min: 0, max: artifact.length - 1}),
      fc.integer({min: artifact.length - 1800, max: artifact.length - 1}),
    ),
    value: fc.integer({min: 0, max: 255}),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(change, {minLength: 1, maxLength: 4}), async (changes) => {
      const bytes = Buffer.from(artifact);
      for (const {at, value} of changes) bytes[at] = value;
      writeFileSync(file, bytes);
      try {
        await using image = await ImageReader.open(file);
        const {isSound} = await verifyResources(image);
        // Bytes of index.jwt and oci-layout, attributes and times belong to no blob.
        if (isSound) expect(image.index.manifests.length).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toBeInstanceOf(OtaError);
      }
    }),
    {numRuns: 60},
  );
});
