import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {readdir, readFile, truncate, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {gzipSync, deflateRawSync, crc32} from 'node:zlib';
import {describe, expect, it} from 'vitest';
import {parseBmap} from '../../../../api/disk/bmap.ts';
import {bufferSource, sliceOf} from '../../../../api/disk/byte-source.ts';
import {openFat} from '../../../../api/disk/fat.ts';
import {flash, personalise, type FlashEvent} from '../../../../api/index.ts';
import {bootStart, readReferenceBmap, readReferenceDisk} from '../disk/reference-disk.ts';
import {makeTempFolder} from '../temp-folder.ts';

const disk = await readReferenceDisk('fat32');
const bmap = await readReferenceBmap('fat32');

/** A folder with the reference disk as `card.img`. */
async function makeImage(): Promise<{folder: string; image: string; copy: string}> {
  const folder = await makeTempFolder();
  const image = join(folder, 'card.img');
  await writeFile(image, disk);
  return {folder, image, copy: join(folder, 'copy.img')};
}

async function readBoot(path: string, name: string): Promise<string | undefined> {
  const content = await readFile(path);
  const fat = await openFat(sliceOf(bufferSource(content), bootStart, content.length));
  const file = (await fat?.readTree())?.get(`/${name}`)?.content;
  return file && (await file.read(0, file.sizeBytes)).toString();
}

/** A zip of one file, as zip(1) makes it. */
function makeZip(name: string, content: Buffer, change: {crc?: number} = {}): Buffer {
  const packed = deflateRawSync(content);
  const numbers = Buffer.alloc(12);
  numbers.writeUInt32LE(change.crc ?? crc32(content), 0);
  numbers.writeUInt32LE(packed.length, 4);
  numbers.writeUInt32LE(content.length, 8);
  const head = Buffer.from('14000000080000000000', 'hex');
  const names = Buffer.from([name.length, 0, 0, 0]);
  const local = Buffer.concat([
    Buffer.from('504b0304', 'hex'),
    head,
    numbers,
    names,
    Buffer.from(name),
    packed,
  ]);
  const central = Buffer.concat([
    Buffer.from('504b01021403', 'hex'),
    head,
    numbers,
    names,
    Buffer.alloc(14),
    Buffer.from(name),
  ]);
  const end = Buffer.alloc(22);
  end.write('504b0506', 'hex');
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, central, end]);
}

describe('an image written to a file', () => {
  it('has what the file systems use, and zeros elsewhere', async () => {
    const {image, copy, folder} = await makeImage();
    const events: FlashEvent[] = [];
    const result = await flash({image, device: copy, onEvent: (event) => events.push(event)});
    const expected = Buffer.alloc(disk.length);
    for (const {start, end} of parseBmap(bmap).ranges) disk.copy(expected, start, start, end);
    expect((await readFile(copy)).equals(expected)).toBe(true);
    expect(result).toMatchObject({
      isWritten: true,
      device: copy,
      imageBytes: disk.length,
      writtenBytes: 432 * 4096,
    });
    expect((await readdir(folder)).sort()).toEqual(['card.img', 'copy.img']);
    const phases = events.flatMap((event) =>
      event.type === 'flash-phase-finished' ? [[event.phase, event.doneBytes]] : [],
    );
    expect(phases).toEqual([
      ['write', 432 * 4096],
      ['verify', 432 * 4096],
    ]);
  });

  it('is personalised there and not in the image', async () => {
    const {image, copy} = await makeImage();
    await writeFile(`${image}.bmap`, bmap);
    const {files} = await flash({image, device: copy, personalisation: {hostname: 'reef'}});
    expect(files).toEqual(['user-data', 'meta-data']);
    expect(await readBoot(copy, 'user-data')).toBe('#cloud-config\n\nhostname: reef\n');
    expect((await readFile(image)).equals(disk)).toBe(true);
  });

  it('may have any length', async () => {
    const {image, copy} = await makeImage();
    const odd = Buffer.concat([disk, Buffer.from('the end')]);
    odd.writeUInt32LE(1, 446 + 16 + 8);
    odd.writeUInt32LE(Math.ceil(odd.length / 512), 446 + 16 + 12);
    await writeFile(image, odd);
    await flash({image, device: copy});
    const written = await readFile(copy);
    expect(written.length).toBe(odd.length);
    expect(written.subarray(-7).toString()).toBe('the end');
  });

  it('is not written when the answer is no, and the question says what is at stake', async () => {
    const {image, copy, folder} = await makeImage();
    let asked: object | undefined;
    const confirm = (plan: object) => {
      asked = plan;
      return Promise.resolve(false);
    };
    expect(await flash({image, device: copy, confirm})).toMatchObject({isWritten: false, writtenBytes: 0});
    expect(asked).toMatchObject({image, device: copy, imageBytes: disk.length, mappedBytes: 432 * 4096});
    expect(await readdir(folder)).toEqual(['card.img']);
  });

  it('leaves nothing when it is stopped', async () => {
    const {image, copy, folder} = await makeImage();
    const stop = new AbortController();
    const work = flash({
      image,
      device: copy,
      signal: stop.signal,
      onEvent: ({type}) => {
        if (type === 'flash-progress') stop.abort();
      },
    });
    await expect(work).rejects.toMatchObject({code: 'INTERRUPTED', hint: `${copy} was not made.`});
    expect(await readdir(folder)).toEqual(['card.img']);
  });

  it('is refused when it is not what its block map says, and nothing is left', async () => {
    const {image, copy, folder} = await makeImage();
    await writeFile(`${image}.bmap`, bmap);
    const damaged = Buffer.from(disk);
    damaged[1_100_000] = damaged.readUInt8(1_100_000) ^ 1;
    await writeFile(image, damaged);
    await expect(flash({image, device: copy})).rejects.toMatchObject({
      code: 'FLASH_FAILED',
      message: expect.stringContaining('is damaged') as string,
    });
    expect((await readdir(folder)).sort()).toEqual(['card.img', 'card.img.bmap']);
    await truncate(image, 10_000_000);
    await expect(flash({image, device: copy})).rejects.toMatchObject({code: 'IMAGE_UNUSABLE'});
  });

  it('cannot be its own target', async () => {
    const {image} = await makeImage();
    await expect(flash({image, device: image})).rejects.toMatchObject({code: 'USAGE'});
    expect((await readFile(image)).equals(disk)).toBe(true);
  });
});

describe('a packed image', () => {
  it.each([
    ['card.img.zip', (folder: string) => writeFile(join(folder, 'card.img.zip'), makeZip('card.img', disk))],
    ['card.img.gz', (folder: string) => writeFile(join(folder, 'card.img.gz'), gzipSync(disk))],
    ['card.img.xz', (folder: string) => execFileSync('xz', ['--keep', join(folder, 'card.img')])],
    ['card.img.zst', (folder: string) => execFileSync('zstd', ['-q', join(folder, 'card.img')])],
  ])('%s is written as the plain one', async (name, pack) => {
    const {folder, image, copy} = await makeImage();
    await pack(folder);
    await flash({image, device: copy});
    const plain = await readFile(copy);
    await flash({image: join(folder, name), device: copy, personalisation: {}});
    expect((await readFile(copy)).equals(plain)).toBe(true);
  });

  it.each([
    ['card.img.zip', makeZip('card.img', disk, {crc: 1}), 'checksum'],
    ['card.img.zip', makeZip('card.img', disk).subarray(0, 9000), 'damaged'],
    ['card.img.gz', gzipSync(disk).subarray(0, 9000), 'damaged'],
    ['card.img.xz', Buffer.from('fd377a585a000004e6d6b446', 'hex'), 'damaged'],
    ['card.img.zst', Buffer.from('28b52ffd24', 'hex'), 'damaged'],
    ['card.img.gz', gzipSync(Buffer.alloc(1000)), 'no partition table'],
    ['notes.img', Buffer.from('hello'), 'no partition table'],
  ])('%s is refused when it is broken', async (name, content, message) => {
    const {folder, copy} = await makeImage();
    const path = join(folder, name);
    await writeFile(path, content);
    const error: unknown = await flash({image: path, device: copy}).catch((reason: unknown) => reason);
    expect(error).toMatchObject({code: 'IMAGE_UNUSABLE'});
    const {message: text, hint} = error as {message: string; hint: string};
    expect(`${text} ${hint}`).toContain(message);
    expect(await readdir(folder)).not.toContain('copy.img');
  });

  it('is compared with its checksum', async () => {
    const {folder, copy} = await makeImage();
    const path = join(folder, 'card.img.gz');
    await writeFile(path, gzipSync(disk));
    await writeFile(`${path}.sha256`, `${'0'.repeat(64)}  card.img.gz\n`);
    await expect(flash({image: path, device: copy})).rejects.toMatchObject({code: 'IMAGE_UNUSABLE'});
  });
});

describe('personalise', () => {
  it('changes an image in its place, and what lies beside it', async () => {
    const {image} = await makeImage();
    await writeFile(`${image}.bmap`, bmap);
    await writeFile(`${image}.sha256`, 'old');
    await personalise({image, personalisation: {hostname: 'reef'}});
    expect(await readBoot(image, 'user-data')).toContain('hostname: reef');
    const content = await readFile(image);
    const sha256 = createHash('sha256').update(content).digest('hex');
    expect(await readFile(`${image}.sha256`, 'utf8')).toBe(`${sha256}  card.img\n`);
    for (const {start, end, sha256: sum} of parseBmap(await readFile(`${image}.bmap`, 'utf8')).ranges)
      expect(createHash('sha256').update(content.subarray(start, end)).digest('hex')).toBe(sum);
  });

  it('gives the same bytes each time', async () => {
    const [a, b] = [await makeImage(), await makeImage()];
    for (const {image} of [a, b])
      await personalise({image, personalisation: {hostname: 'reef', country: 'DE'}});
    const [first, second] = [await readFile(a.image), await readFile(b.image)];
    expect(first.equals(second)).toBe(true);
    await personalise({image: a.image, personalisation: {hostname: 'reef', country: 'DE'}});
    expect((await readFile(a.image)).equals(second)).toBe(true);
  });

  it('leaves the image alone when there is an output', async () => {
    const {image, copy} = await makeImage();
    await personalise({image, output: copy, personalisation: {hostname: 'reef'}});
    expect((await readFile(image)).equals(disk)).toBe(true);
    expect(await readBoot(copy, 'user-data')).toContain('hostname: reef');
  });

  it.each([
    ['nothing to do', 'card.img', {}, 'nothing to change'],
    ['a packed image', 'card.img.gz', {hostname: 'reef'}, 'is packed'],
    ['an address', 'http://127.0.0.1:1/card.img', {hostname: 'reef'}, 'lies on a server'],
    ['a bad value', 'card.img', {hostname: '-'}, '--hostname'],
  ])('refuses %s', async (_what, name, personalisation, message) => {
    const {folder, image} = await makeImage();
    await writeFile(join(folder, 'card.img.gz'), gzipSync(disk));
    const path = name.startsWith('http') ? name : join(folder, name);
    await expect(personalise({image: path, personalisation})).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(message) as string,
    });
    expect((await readFile(image)).equals(disk)).toBe(true);
  });
});
