import {chmod, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {openCache, type DownloadCache} from '../../../api/cache/download-cache.ts';
import {noise, sha256} from '../api/download/rig.ts';
import {makeTempFolder} from '../api/temp-folder.ts';
import {runWith} from './run-command.ts';
import {Collected} from './terminal.ts';

const long =
  'https://download.example.org/zim/wikipedia/wikipedia_fr_all_maxi_with_a_very_long_name_2026-11.zim';

async function makeCache(): Promise<{folder: string; cache: DownloadCache; paths: readonly string[]}> {
  const folder = join(await makeTempFolder(), 'cache');
  const cache = await openCache({folder});
  if (cache === undefined) throw new Error('the default policy keeps things');
  const paths: string[] = [];
  for (const [index, source] of [long, 'https://example.org/base.img.xz'].entries()) {
    const content = noise(2000 * (index + 1), source);
    const path = join(folder, 'incoming');
    await writeFile(path, content);
    const blob = {sha256: sha256(content), sizeBytes: content.length};
    const lease = await cache.addFile({kind: 'file', source}, path, blob, {etag: '"1"'});
    await lease.release();
    paths.push(lease.paths[0] ?? '');
  }
  return {folder, cache, paths};
}

const run = (folder: string, ...argv: string[]) => runWith({}, ['cache', ...argv, '--cache-dir', folder]);

describe('cache ls', () => {
  it('fits a terminal of 80 columns, and shortens addresses in their middle', async () => {
    const {folder} = await makeCache();
    const stdout = Object.assign(new Collected(), {isTTY: true, columns: 80});
    await runWith({}, ['cache', 'ls', '--cache-dir', folder], {stdout});
    const lines = stdout.text.split('\n');
    const table = lines.slice(0, 3);
    for (const line of table) expect(line.length).toBeLessThanOrEqual(80);
    expect(stdout.text).toContain('…');
    expect(stdout.text).toContain('_2026-11.zim');
    expect(stdout.text).toMatch(/2 entries, 5\.9 KiB in .* \(10\.0 GiB allowed\)/);
  });

  it('gives whole addresses to a pipe, and everything to a machine', async () => {
    const {folder} = await makeCache();
    expect((await run(folder, 'ls')).stdout).toContain(long);
    expect(JSON.parse((await run(folder, 'ls', '--json')).stdout)).toMatchObject({
      folder,
      enabled: true,
      sizeBytes: 6000,
      entries: [{source: long, kind: 'file', uses: 1}, {}],
      unfinished: {count: 0},
    });
  });

  it('of a folder that is not there is empty, and makes none', async () => {
    const folder = join(await makeTempFolder(), 'none');
    expect((await run(folder, 'ls')).stdout).toContain('0 entries');
    await expect(chmod(folder, 0o755)).rejects.toMatchObject({code: 'ENOENT'});
  });
});

describe('cache show', () => {
  it('finds an entry by a part of its address', async () => {
    const {folder} = await makeCache();
    const {stdout} = await run(folder, 'show', 'base.img');
    expect(stdout).toMatch(/^source +https:\/\/example\.org\/base\.img\.xz$/m);
    expect(stdout).toMatch(/^size +3\.9 KiB \(4000 bytes\)$/m);
    expect(JSON.parse((await run(folder, 'show', long, '--json')).stdout)).toMatchObject({source: long});
  });

  it.each([
    ['nothing', 'there is nothing'],
    ['example.org', '2 entries have'],
  ])('of %s says why not', async (part, message) => {
    const {folder} = await makeCache();
    expect(await run(folder, 'show', part)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(message) as string,
    });
  });
});

describe('cache verify', () => {
  it('is content with what is right, and removes what is not', async () => {
    const {folder, paths} = await makeCache();
    expect(await run(folder, 'verify')).toMatchObject({
      exitCode: 0,
      stdout: '2 entries verified, all are as they were stored\n',
    });
    await chmod(paths[0] ?? '', 0o644);
    await writeFile(paths[0] ?? '', 'x'.repeat(2000));
    expect(await run(folder, 'verify')).toMatchObject({
      exitCode: 1,
      stdout: `${long}: its content is not what was stored; removed\n2 entries verified, 1 damaged\n`,
    });
    expect(JSON.parse((await run(folder, 'verify', '--json')).stdout)).toMatchObject({
      verified: 1,
      damages: [],
    });
  });
});

describe('cache prune', () => {
  it('says what would go and why, and then does it', async () => {
    const {folder, cache} = await makeCache();
    await writeFile(
      join(folder, 'policy.yaml'),
      'files:\n  filters:\n  - pattern: \\.zim$\n    ignore: true\n',
    );
    const {stdout} = await run(folder, 'prune', '--dry-run');
    expect(stdout.split('\n').slice(1)).toEqual([
      `   2.0 KiB  ${long}`,
      '            files.filters[0].ignore',
      '',
    ]);
    expect(await cache.list()).toHaveLength(2);
    expect(JSON.parse((await run(folder, 'prune', '--json')).stdout)).toMatchObject({
      dryRun: false,
      evictions: [{entry: {source: long}, reason: 'files.filters[0].ignore'}],
    });
    expect((await run(folder, 'prune')).stdout).toMatch(/^the policy keeps everything/);
  });
});

describe('cache policy', () => {
  it('shows what a policy comes to', async () => {
    const folder = join(await makeTempFolder(), 'cache');
    expect((await run(folder, 'policy')).stdout).toContain('max_size: 10 GiB\n');
    await writeFile(join(folder, 'policy.yaml'), "max_age: 30d\nfiles:\n  filters:\n  - pattern: a'b\n");
    const {stdout} = await run(folder, 'policy');
    expect(stdout).toContain('max_age: 2592000s  # 4 weeks and 2 days\n');
    expect(stdout).toContain("  - pattern: 'a''b'\n");
    // What is shown is itself a policy, and the same one.
    const before = (await run(folder, 'policy', '--json')).stdout;
    await writeFile(join(folder, 'policy.yaml'), stdout);
    expect((await run(folder, 'policy', '--json')).stdout).toBe(before);
    expect(JSON.parse(before)).toMatchObject({
      max_size: 10 * 1024 ** 3,
      files: {filters: [{pattern: "a'b"}]},
    });
  });

  it('that cannot be used is an error at its line and column', async () => {
    const {folder} = await makeCache();
    await writeFile(join(folder, 'policy.yaml'), 'enabled: true\nmax_size: huge\n');
    for (const command of ['policy', 'ls', 'prune']) {
      expect(await run(folder, command)).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining('policy.yaml:2:11 max_size must be a size') as string,
      });
    }
  });
});

it.each(['ls', 'show', 'verify', 'prune', 'policy'])('cache %s --help has an example', async (command) => {
  const {stdout, exitCode} = await runWith({}, ['cache', command, '--help']);
  expect(stdout).toContain(`$ hypriotkit cache ${command}`);
  expect(exitCode).toBe(0);
});
