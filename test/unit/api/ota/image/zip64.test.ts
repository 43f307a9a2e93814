import {closeSync, ftruncateSync, openSync, writeFileSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import {crc32} from 'node:zlib';
import {describe, expect, it} from 'vitest';
import {ImageReader} from '../../../../../api/ota/image/read/image-reader.ts';
import {readFile} from '../../../../../api/ota/image/read/read-file.ts';
import {centralHeader, endRecords, localHeader} from '../../../../../api/ota/image/write/zip/zip-headers.ts';
import {makeTempFolder} from '../../temp-folder.ts';
import {writeImage} from './image-rig.ts';

const content = Buffer.from('content');
/** Larger than a classic ZIP can say. */
const holeBytes = 5 * 2 ** 30;

/** Where the records of the archive are that `makeSparse` makes. */
interface Places {
  /** Of the central header of `hole`, and of `a`. */
  readonly hole: number;
  readonly a: number;
  readonly wideEnd: number;
}

/** An archive of `index.json`, a file of 5 GiB that is a hole, and `a` behind it; it takes a few kilobytes on the disk. */
async function makeSparse(change: (file: number, places: Places) => void = () => undefined) {
  const folder = await makeTempFolder();
  writeImage(join(folder, 'image'), {});
  await using image = await ImageReader.open(join(folder, 'image'));
  const path = join(folder, 'image.zip');
  const file = openSync(path, 'wx');
  let at = 0;
  const write = (bytes: Uint8Array) => {
    writeSync(file, bytes, 0, bytes.length, at);
    at += bytes.length;
  };
  const entries = [
    {name: 'index.json', bytes: image.indexBytes, sizeBytes: image.indexBytes.length},
    {name: 'hole', bytes: undefined, sizeBytes: holeBytes},
    {name: 'a', bytes: content, sizeBytes: content.length},
  ].map(({name, bytes, sizeBytes}) => {
    const entry = {name, sizeBytes, crc: bytes ? crc32(bytes) : 0, offset: at};
    write(localHeader(entry));
    if (bytes) write(bytes);
    else at += sizeBytes;
    return entry;
  });
  const directory = at;
  const [, hole = 0, a = 0] = entries.map((entry) => {
    const start = at;
    write(centralHeader(entry));
    return start;
  });
  const wideEnd = at;
  write(endRecords(entries.length, at - directory, directory));
  change(file, {hole, a, wideEnd});
  closeSync(file);
  return path;
}

async function readA(path: string): Promise<unknown> {
  await using image = await ImageReader.open(path);
  return await readFile(image.source, 'a');
}

const put32 = (file: number, value: number, at: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  writeSync(file, bytes, 0, 4, at);
};
const put64 = (file: number, value: bigint, at: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  writeSync(file, bytes, 0, 8, at);
};
/** From a central header to its zip64 field: the fixed part, the name, and the head of the field. */
const field = (name: string) => 46 + name.length + 4;

it('an archive of more than 4 GiB is read', async () => {
  expect(await readA(await makeSparse())).toEqual(content);
});

it('an archive of more than 65 535 entries is read', async () => {
  const folder = await makeTempFolder();
  writeImage(join(folder, 'image'), {});
  await using image = await ImageReader.open(join(folder, 'image'));
  const index = image.indexBytes;
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  const add = (name: string, bytes: Buffer) => {
    const entry = {name, sizeBytes: bytes.length, crc: crc32(bytes), offset: at};
    const header = localHeader(entry);
    parts.push(header, bytes);
    directory.push(centralHeader(entry));
    at += header.length + bytes.length;
  };
  add('index.json', Buffer.from(index));
  for (let number = 0; number < 66_000; number++) add(`f${number}`, Buffer.alloc(0));
  add('a', content);
  const central = Buffer.concat(directory);
  const path = join(folder, 'many.zip');
  writeFileSync(path, Buffer.concat([...parts, central, endRecords(66_002, central.length, at)]));
  expect(await readA(path)).toEqual(content);
});

describe('an archive is refused whose zip64 records lie', () => {
  it.each<[string, (file: number, places: Places) => void]>([
    [
      'that a file is larger than the archive',
      (file, {hole}) => put64(file, 2n ** 50n, hole + field('hole')),
    ],
    ['that a file is larger than any', (file, {hole}) => put64(file, 2n ** 64n - 1n, hole + field('hole'))],
    ['that a file has two sizes', (file, {hole}) => put64(file, 1n, hole + field('hole') + 8)],
    [
      'that a file reaches into the next',
      (file, {hole}) => {
        put64(file, BigInt(holeBytes + 1), hole + field('hole'));
        put64(file, BigInt(holeBytes + 1), hole + field('hole') + 8);
      },
    ],
    [
      'that a file is smaller than its own header says',
      (file, {hole}) => {
        put64(file, 7n, hole + field('hole'));
        put64(file, 7n, hole + field('hole') + 8);
      },
    ],
    ['where a file is', (file, {a}) => put64(file, 0n, a + field('a'))],
    ['that a file is behind the end', (file, {a}) => put64(file, 2n ** 45n, a + field('a'))],
    ['by not being there', (file, {a}) => put32(file, 0x7fff_ffff, a + field('a') - 4)],
    [
      'that there are more entries',
      (file, {wideEnd}) => {
        put64(file, 4n, wideEnd + 24);
        put64(file, 4n, wideEnd + 32);
      },
    ],
    ['that there are two numbers of entries', (file, {wideEnd}) => put64(file, 4n, wideEnd + 24)],
    ['that the directory is elsewhere', (file, {wideEnd}) => put64(file, 1n, wideEnd + 48)],
    [
      'that the directory is larger than the archive',
      (file, {wideEnd}) => put64(file, 2n ** 60n, wideEnd + 40),
    ],
    ['that the record is elsewhere', (file, {wideEnd}) => put64(file, 0n, wideEnd + 56 + 8)],
    ['that the record is longer', (file, {wideEnd}) => put64(file, 2n ** 63n, wideEnd + 4)],
    ['by being cut off', (file, {wideEnd}) => ftruncateSync(file, wideEnd + 56)],
  ])('%s', async (_what, change) => {
    await expect(makeSparse(change).then(readA)).rejects.toMatchObject({code: 'ZIP_INVALID'});
  });
});
