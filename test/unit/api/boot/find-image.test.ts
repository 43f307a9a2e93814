import {mkdir, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {locateImage} from '../../../../api/boot/find-image.ts';
import {print} from '../../volumes/store-rig.ts';
import {RunRig} from '../pipeline/run-rig.ts';
import {makeTempFolder} from '../temp-folder.ts';

/** The smallest thing with a boot sector. */
function diskImage(content: string): Buffer {
  const image = Buffer.alloc(1024, content);
  image.writeUInt16BE(0x55aa, 510);
  return image;
}

async function makeSearch() {
  const rig = await RunRig.create();
  const folder = await makeTempFolder();
  const locate = (wanted: {image?: string; target?: string}) =>
    locateImage(rig.context.session, rig.volume.store, wanted, () => undefined);
  const publish = (digit: string, content: string, step = 'rpi_sd_image') =>
    rig.volume.publish(print(digit), {[`${content}.img`]: diskImage(content), 'x.txt': ''}, {step});
  return {rig, folder, locate, publish};
}

const usage = (message: string, hint?: string) =>
  expect.objectContaining({
    code: 'USAGE',
    message: expect.stringContaining(message) as string,
    ...(hint !== undefined && {hint: expect.stringContaining(hint) as string}),
  }) as Error;

describe('locateImage', () => {
  it('takes the newest image of the volume when nothing is named', async () => {
    const {locate, publish} = await makeSearch();
    await publish('a', 'old');
    await new Promise((resolve) => setTimeout(resolve, 5));
    const newest = await publish('b', 'new');
    await publish('c', 'other', 'blank_image');
    expect(await locate({})).toEqual({
      label: 'new.img',
      folder: `.hypriotkit/entries/${newest.fingerprint}`,
      name: 'new.img',
    });
  });

  it('says so when there is none', async () => {
    const {locate, folder} = await makeSearch();
    await expect(locate({})).rejects.toThrow(
      usage('there is no image to boot', 'hypriotkit build rpi_sd_image'),
    );
    await expect(locate({target: folder})).rejects.toThrow(usage('there is no image to boot'));
    await expect(locate({target: join(folder, 'none')})).rejects.toThrow(usage('there is no image to boot'));
  });

  it('uses the copy in the volume of a file that the volume has', async () => {
    const {locate, publish, folder} = await makeSearch();
    const entry = await publish('a', 'same');
    const path = join(folder, 'renamed.img');
    await writeFile(path, diskImage('same'));
    expect(await locate({image: path})).toEqual({
      label: path,
      folder: `.hypriotkit/entries/${entry.fingerprint}`,
      name: 'same.img',
    });
  });

  it('takes the newest image of the target, and no hidden one', async () => {
    const {locate, publish, folder} = await makeSearch();
    await publish('a', 'one');
    await publish('b', 'two');
    for (const [name, content, seconds] of [
      ['one.img', 'one', 1000],
      ['two.img', 'two', 2000],
      ['.hypriotkit-partial-1-three.img', 'three', 3000],
      ['two.img.zip', 'four', 4000],
    ] as const) {
      await writeFile(join(folder, name), diskImage(content));
      await utimes(join(folder, name), seconds, seconds);
    }
    expect((await locate({target: folder})).label).toBe(join(folder, 'two.img'));
  });

  it.each([
    ['image.img.zip', 'It is compressed: name the plain .img.'],
    ['image.img.zst', 'It is compressed: name the plain .img.'],
    ['image.img', 'It has no partition table.'],
  ])('refuses %s without a boot sector', async (name, hint) => {
    const {locate, folder} = await makeSearch();
    await writeFile(join(folder, name), Buffer.alloc(1024, 'PK'));
    await expect(locate({image: join(folder, name)})).rejects.toThrow(usage('is not a disk image', hint));
  });

  it('refuses a file that is too short, a folder, and nothing', async () => {
    const {locate, folder} = await makeSearch();
    await writeFile(join(folder, 'short.img'), 'x');
    await mkdir(join(folder, 'folder.img'));
    await expect(locate({image: join(folder, 'short.img')})).rejects.toThrow(usage('is not a disk image'));
    await expect(locate({image: join(folder, 'folder.img')})).rejects.toThrow(usage('is not a disk image'));
    await expect(locate({image: join(folder, 'none.img')})).rejects.toThrow(usage('cannot be read'));
  });
});
