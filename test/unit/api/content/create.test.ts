import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect, test} from 'vitest';
import {createContentImage} from '../../../../api/content/create-content-image.ts';
import {makeTempFolder} from '../temp-folder.ts';
import {makeTar} from '../disk/images.ts';
import {zstdCompressSync} from './pack.ts';
import {makeBase, readImage} from './rig.ts';

const now = 1_700_000_000;

test('fills a base image', async () => {
  const folder = await makeTempFolder();
  await makeBase(join(folder, 'base.img'));
  await writeFile(join(folder, 'near.zim'), 'a zim');
  const text = `# mine
base: ./base.img
files:
- {url: ./near.zim, to: /data/contents/zims/near.zim}
- {content: "hello\\n", to: /data/conf/message.txt}
write_config: true
offspot:
  timezone: Africa/Bamako
  hostname: reef
`;
  await writeFile(join(folder, 'image.yaml'), text);
  const output = join(folder, 'out.img');
  const result = await createContentImage({config: join(folder, 'image.yaml'), output, sourceDateEpoch: now});
  expect(result).toMatchObject({isWritten: true, receivedBytes: 0});
  const image = await readImage(output);
  expect(image.complaints).toBe('');
  expect(image.sizeBytes).toBe(result.imageBytes);
  expect(image.data.get('/contents/zims/near.zim')).toEqual({
    type: 'file',
    mode: '0644',
    owner: '0:0',
    mtime: now,
    content: Buffer.from('a zim'),
  });
  expect(image.data.get('/conf/image.yaml')?.content?.toString()).toBe(text);
  expect(image.data.has('/master_fs')).toBe(true);
  expect(image.boot.get('/offspot.yaml')).toBe('hostname: reef\ntimezone: Africa/Bamako\n');
});

test('gives a folder with many files a hash tree, and makes the same bytes again', async () => {
  const folder = await makeTempFolder();
  await makeBase(join(folder, 'base.img'), {options: ['-N', '3000']});
  const members = Array.from({length: 1500}, (_, index) => ({
    name: `many/${'name'.repeat(8)}-${index}`,
    content: `${index}`,
  }));
  await writeFile(join(folder, 'many.tar.zst'), zstdCompressSync(makeTar(members), folder));
  await writeFile(join(folder, 'one.zst'), zstdCompressSync(Buffer.from('not a tar'), folder));
  const config = join(folder, 'image.yaml');
  await writeFile(
    config,
    'base: ./base.img\nfiles: [{url: ./many.tar.zst, to: /data/m, via: zstd, size: 5MB}, {url: ./one.zst, to: /data/one, via: zstd}]',
  );
  const sums = [];
  for (const name of ['first.img', 'second.img']) {
    await createContentImage({config, output: join(folder, name), sourceDateEpoch: now});
    const {complaints, sha256, data} = await readImage(join(folder, name));
    expect(complaints).toBe('');
    expect(data.get(`/m/many/${'name'.repeat(8)}-1499`)?.content?.toString()).toBe('1499');
    expect(data.get('/one')?.content?.toString()).toBe('not a tar');
    sums.push(sha256);
  }
  expect(sums[0]).toBe(sums[1]);
});

test('makes an image of the size that is asked for, or of the smallest with shrink', async () => {
  const folder = await makeTempFolder();
  await makeBase(join(folder, 'base.img'));
  const config = join(folder, 'image.yaml');
  for (const [name, shrink, size] of [
    ['large', false, 64_000_000],
    ['small', true, 27_262_976],
  ] as const) {
    await writeFile(config, `base: ./base.img\noutput: {size: 64MB, shrink: ${String(shrink)}}\n`);
    await createContentImage({config, output: join(folder, name), sourceDateEpoch: now});
    const {sizeBytes, complaints, partitions} = await readImage(join(folder, name));
    expect([sizeBytes, complaints]).toEqual([size, '']);
    const last = partitions.at(-1);
    expect((last?.startBytes ?? 0) + (last?.sizeBytes ?? 0)).toBe(size);
  }
});
