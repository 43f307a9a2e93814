import {appendFile, mkdir, readFile, rename, rm, stat, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout} from 'node:timers/promises';
import {beforeEach, describe, expect, it, onTestFinished, vi} from 'vitest';
import {DeliveryMemory} from '../../../../api/pipeline/delivery-memory.ts';
import {makeTempFolder} from '../temp-folder.ts';

describe('DeliveryMemory', () => {
  let [folder, file, path] = ['', '', ''];

  beforeEach(async () => {
    folder = await makeTempFolder();
    file = join(folder, 'a.img');
    path = join(folder, 'cache', 'delivered.json');
    await writeFile(file, 'content');
    // What has changed a moment ago is not remembered.
    await setTimeout(40);
    const memory = new DeliveryMemory(path);
    await (
      await memory.observe(file)
    )('digest');
    await memory.save();
  });

  const recall = () => new DeliveryMemory(path).recall(file);

  it('knows a file again in another process', async () => {
    expect(await recall()).toBe('digest');
  });

  it.each<[string, () => Promise<unknown>]>([
    ['was changed', () => appendFile(file, 'x')],
    [
      'was changed to the same size and time',
      async () => {
        await writeFile(file, 'contenT');
        await utimes(file, 1000, 1000);
      },
    ],
    [
      'was replaced',
      async () => {
        await writeFile(`${file}.new`, 'content');
        await rename(`${file}.new`, file);
      },
    ],
    ['is gone', () => rm(file)],
    ['is a folder now', () => rm(file).then(() => mkdir(file))],
  ])('does not know a file that %s', async (_, change) => {
    await change();
    expect(await recall()).toBeUndefined();
  });

  it('does not remember a file that may still be changing', async () => {
    await writeFile(file, 'other');
    // However slow this machine is, for the memory the change is 5 ms old.
    const {ctimeMs} = await stat(file);
    vi.spyOn(Date, 'now').mockReturnValue(Math.ceil(ctimeMs) + 5);
    onTestFinished(() => void vi.restoreAllMocks());
    const memory = new DeliveryMemory(path);
    await (
      await memory.observe(file)
    )('other digest');
    await memory.save();
    expect(await recall()).toBeUndefined();
  });

  it.each(['', '{', '[]', '{"/x": 1}', '{"/x": {"sha256": 5}}'])(
    'knows nothing from a memory of %j',
    async (text) => {
      await writeFile(path, text);
      expect(await recall()).toBeUndefined();
    },
  );

  it('is no error where it cannot be written', async () => {
    const memory = new DeliveryMemory('/dev/null/delivered.json');
    await (
      await memory.observe(file)
    )('digest');
    await expect(memory.save()).resolves.toBeUndefined();
  });

  it('does not grow for ever', async () => {
    const memory = new DeliveryMemory(path);
    for (let i = 0; i < 1100; i++) await writeFile(join(folder, `f${i}`), '');
    await setTimeout(40);
    for (let i = 0; i < 1100; i++) await (await memory.observe(join(folder, `f${i}`)))('digest');
    await memory.save();
    const known = Object.keys(JSON.parse(await readFile(path, 'utf8')) as object);
    expect(known).toHaveLength(1000);
    expect(known.at(-1)).toBe(join(folder, 'f1099'));
  });
});
