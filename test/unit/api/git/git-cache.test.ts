import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it, vi} from 'vitest';
import {GitCache} from '../../../../api/git/git-cache.ts';
import {readTarFiles} from '../../../../api/docker/tar.ts';
import {Readable} from 'node:stream';
import {GitServer, ScratchRepository} from '../../../git/scratch-repository.ts';

let scratch: string;
let repository: ScratchRepository;
let cache: GitCache;

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'hypriotkit-git-cache-'));
  repository = new ScratchRepository();
  cache = new GitCache({folder: join(scratch, 'cache')});
});

afterEach(() => {
  rmSync(scratch, {recursive: true, force: true});
  repository.remove();
});

async function archived(
  commit: string,
  folder = '',
  url = repository.url,
): Promise<ReadonlyMap<string, Buffer>> {
  const file = join(scratch, 'source.tar');
  await cache.archive({repository: url, ref: 'main', commit, folder}, file);
  return readTarFiles(Readable.from([readFileSync(file)]));
}

describe('resolve', () => {
  it('finds branches, tags, annotated tags and the default branch', async () => {
    const first = repository.commit({a: '1'});
    repository.git('tag', 'light');
    repository.git('tag', '--annotate', '--message=x', 'annotated');
    repository.git('checkout', '--quiet', '-b', 'next');
    const second = repository.commit({a: '2'});
    repository.git('checkout', '--quiet', 'main');
    for (const name of ['main', 'HEAD', 'light', 'annotated', first]) {
      expect(await cache.resolve(repository.url, name)).toBe(first);
    }
    expect(await cache.resolve(repository.url, 'next')).toBe(second);
  });

  it('names the branches that there are when there is not the one asked for', async () => {
    repository.commit({a: '1'});
    await expect(cache.resolve(repository.url, 'rpi-6.12.y')).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: `${repository.url} has no branch or tag "rpi-6.12.y"`,
      hint: 'It has main.',
    });
  });

  it('says that there is no repository', async () => {
    await expect(cache.resolve(`file://${scratch}/none`, 'main')).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringContaining('does not appear to be a git repository') as string,
    });
  });

  it('never shows a token that stands in the address', async () => {
    const failed = cache.resolve('https://secret-token@127.0.0.1:1/x', 'main');
    await expect(failed).rejects.toMatchObject({
      message: expect.not.stringContaining('secret-token') as string,
    });
  });
});

describe('archive', () => {
  it('has the files of the commit, and not of a later one', async () => {
    const commit = repository.commit({README: 'one', 'src/main.c': 'int main;'});
    repository.commit({README: 'two'});
    const files = await archived(commit);
    expect(files.get('README')?.toString()).toBe('one');
    expect(files.get('main.c')?.toString()).toBe('int main;');
  });

  it('is the same from another cache', async () => {
    const commit = repository.commit({'a/b': 'one', 'a/c': '#!/bin/sh\n'});
    const digest = async () => {
      await archived(commit);
      return createHash('sha256')
        .update(readFileSync(join(scratch, 'source.tar')))
        .digest('hex');
    };
    const first = await digest();
    cache = new GitCache({folder: join(scratch, 'other')});
    expect(await digest()).toBe(first);
  });

  it('takes a single folder, dated with the commit', async () => {
    const commit = repository.commit({'images/root/Dockerfile': 'FROM x', README: 'no'});
    const files = await archived(commit, 'images/root');
    expect([...files.keys()]).toEqual(['Dockerfile']);
    const dates = execFileSync('tar', ['--utc', '-tvf', join(scratch, 'source.tar')], {encoding: 'utf8'});
    expect(dates).toContain('2026-01-02 03:04 Dockerfile');
  });

  it('fetches nothing but the folder that is asked for', async () => {
    const commit = repository.commit({'small/file': 'x', 'large/file': 'y'.repeat(5000)});
    const server = await GitServer.start(repository);
    try {
      const bare = await cache.fetch({repository: server.url, ref: 'main', commit, folder: 'small'});
      const missing = execFileSync('git', ['rev-list', '--objects', '--missing=print', commit], {
        cwd: bare,
        encoding: 'utf8',
      });
      expect(missing.match(/^\?/gm)).toHaveLength(1);
    } finally {
      await server.stop();
    }
  });

  it('says which folder is missing', async () => {
    const commit = repository.commit({README: 'no'});
    await expect(archived(commit, 'images')).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringContaining('has no folder "images"') as string,
    });
  });

  it('minds no repository that the caller stands in, as in a git hook', async () => {
    const commit = repository.commit({README: 'one'});
    vi.stubEnv('GIT_DIR', join(scratch, 'elsewhere'));
    vi.stubEnv('EDITOR', 'vi');
    try {
      expect((await archived(commit)).get('README')?.toString()).toBe('one');
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it('needs the repository no more once it has the commit', async () => {
    const commit = repository.commit({README: 'kept'});
    await archived(commit);
    repository.remove();
    expect((await archived(commit)).get('README')?.toString()).toBe('kept');
  });
});

describe('offline', () => {
  it('gives what has been fetched before, and asks for nothing else', async () => {
    const commit = repository.commit({README: 'kept', 'other/file': 'fetched'});
    await cache.fetch({repository: repository.url, ref: 'main', commit, folder: 'other'});
    cache = new GitCache({folder: join(scratch, 'cache'), offline: true});
    expect((await archived(commit, 'other')).get('file')?.toString()).toBe('fetched');
    await expect(archived(commit)).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringContaining('the build is offline') as string,
    });
  });
});

describe('a connection that breaks', () => {
  it('costs one batch: the next fetch goes on where it stopped', async () => {
    const files = Object.fromEntries(
      Array.from({length: 2300}, (_, i) => [
        `d${i % 50}/f${i}`,
        [0, 1, 2, 3].map((n) => createHash('sha512').update(`${i} ${n}`).digest('base64')).join(''),
      ]),
    );
    const commit = repository.commit(files);
    const server = await GitServer.start(repository);
    try {
      const fetch = (messages: string[], into = cache) =>
        into.fetch(
          {repository: server.url, ref: 'main', commit, folder: ''},
          {onProgress: (message) => messages.push(message)},
        );
      server.cutAfter(Number.MAX_SAFE_INTEGER);
      await fetch([], new GitCache({folder: join(scratch, 'other')}));
      // In the middle of the second batch.
      server.cutAfter((Number.MAX_SAFE_INTEGER - server.remainingBytes) * 0.95);
      await expect(fetch([])).rejects.toMatchObject({
        code: 'SOURCE_UNAVAILABLE',
        hint: expect.stringContaining('kept') as string,
      });
      server.cutAfter(Infinity);
      const messages: string[] = [];
      await fetch(messages);
      const counts = messages
        .map((message) => /of (\d+) files/.exec(message)?.[1])
        .filter(Boolean)
        .map(Number);
      expect(Math.max(...counts)).toBeLessThan(2300);
      expect((await archived(commit, 'd7', server.url)).size).toBe(46);
    } finally {
      await server.stop();
    }
  });
});
