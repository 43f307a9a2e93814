import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {existsSync, readFileSync, readdirSync, truncateSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {beforeEach, describe, expect, it} from 'vitest';
import {
  writeCacheSource,
  type WriteCacheSourceOptions,
} from '../../../../../api/ota/packer/write-cache-source.ts';
import {makeTempFolder} from '../../temp-folder.ts';

const sample = new URL('../../../../fixtures/ota-legacy/image.tgz', import.meta.url).pathname;
const env = {...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`};

let folder: string;
const at = (name: string) => join(folder, name);
beforeEach(async () => {
  folder = await makeTempFolder();
});

function write(target: string, options: Partial<WriteCacheSourceOptions> = {}) {
  return writeCacheSource({
    images: [{ecuId: '0', location: sample, version: ''}],
    target,
    room: folder,
    ...options,
  });
}

describe('a cache source', () => {
  it('is an ext4 file system with the label and the files that otaproxy looks for', async () => {
    const manifest = await write(at('stick.img'));
    expect(manifest?.data_files_num).toBe(237);
    const tool = (...args: string[]) =>
      execFileSync(args[0] ?? '', args.slice(1), {env, stdio: ['ignore', 'pipe', 'pipe']}).toString();
    expect(tool('dumpe2fs', '-h', at('stick.img'))).toContain('Filesystem volume name:   ota_cache_src\n');
    tool('e2fsck', '-fn', at('stick.img'));
    const dump = (path: string) =>
      execFileSync('debugfs', ['-R', `cat ${path}`, at('stick.img')], {
        env,
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    expect(JSON.parse(dump('/manifest.json').toString())).toEqual(manifest);
    const sha = '253b610bd786f2543252c8d4b45bb40eb375882587f825cb9ce1fd1241f66f1e';
    expect(
      createHash('sha256')
        .update(dump(`/data/${sha}`))
        .digest('hex'),
    ).toBe(sha);
    expect(tool('debugfs', '-R', `stat /data/${sha}`, at('stick.img'))).toMatch(
      /Mode: {2}0644[\s\S]*User: +0 +Group: +0/,
    );
    expect(readdirSync(folder)).toEqual(['stick.img']);
  });

  it('has the same bytes every time', async () => {
    await write(at('a.img'));
    await write(at('b.img'));
    expect(readFileSync(at('a.img')).equals(readFileSync(at('b.img')))).toBe(true);
  });

  it('is not written over a file without force, nor to one that is too small', async () => {
    writeFileSync(at('mine.img'), 'mine');
    await expect(write(at('mine.img'))).rejects.toMatchObject({code: 'OUTPUT_EXISTS'});
    truncateSync(at('mine.img'), 1024 * 1024);
    await expect(write(at('mine.img'), {force: true})).rejects.toMatchObject({
      code: 'DEVICE_UNUSABLE',
      message: expect.stringMatching(
        /has 1 MiB and about \d+ MiB are needed, \d+ MiB more: nothing was written/,
      ) as string,
    });
    expect(readFileSync(at('mine.img')).subarray(0, 4).toString()).toBe('mine');
    truncateSync(at('mine.img'), 96 * 1024 * 1024);
    await write(at('mine.img'), {force: true});
    expect(readdirSync(folder)).toEqual(['mine.img']);
  });

  it('is not written when the answer is no', async () => {
    expect(await write(at('stick.img'), {confirm: () => Promise.resolve(false)})).toBeUndefined();
    expect(existsSync(at('stick.img'))).toBe(false);
  });

  it.each([
    ['/dev/null', /is not a block device/],
    ['/dev/nothing-here', /is not a block device/],
  ])('is not written to %s', async (target, message) => {
    await expect(write(target, {force: true})).rejects.toThrow(message);
  });

  it('is never written to the disk of the running system', async () => {
    const source = execFileSync('findmnt', ['--noheadings', '--output', 'SOURCE', '/'])
      .toString()
      .trim()
      .replace(/\[.*$/, '');
    // In a container the root is an overlay, which no name of a device leads to.
    expect(source).not.toBe('');
    if (!source.startsWith('/dev/') || !existsSync(source)) return;
    await expect(write(source, {force: true})).rejects.toMatchObject({code: 'DEVICE_UNUSABLE'});
  });
});
