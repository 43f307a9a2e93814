/** The defects of the reference that the specification lists (content-images, A.13), by their numbers. */
import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {mkdir, readdir, readFile, stat, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {beforeAll, describe, expect, test} from 'vitest';
import {createContentImage, type ContentOptions} from '../../../../api/content/create-content-image.ts';
import {packageRoot} from '../../../../configs/package-root.ts';
import {zstdCompressSync} from './pack.ts';
import {answer, serve} from '../download/file-server.ts';
import {LoopbackRegistry, makeImage} from '../registry/loopback-registry.ts';
import {makeTempFolder} from '../temp-folder.ts';
import {makeBase, readImage, run} from './rig.ts';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {afterAll} from 'vitest';

const sourceDateEpoch = 1_700_000_000;
let bases = '';

beforeAll(async () => {
  bases = await mkdtemp(join(tmpdir(), 'hypriotkit-test-'));
  await makeBase(join(bases, 'base.img'));
  execFileSync('xz', ['-k', '-1', join(bases, 'base.img')]);
});
afterAll(() => rm(bases, {recursive: true, force: true}));

/** Writes a configuration and makes its image. */
async function create(folder: string, text: string, options: Partial<ContentOptions> = {}) {
  const config = join(folder, 'image.yaml');
  await writeFile(config, text.replaceAll('BASE', join(bases, 'base.img')));
  return createContentImage({config, output: join(folder, 'out.img'), sourceDateEpoch, ...options});
}

const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');

describe('an output that is there already', () => {
  test('1: stays as it is without --overwrite', async () => {
    const folder = await makeTempFolder();
    await writeFile(join(folder, 'out.img'), 'precious');
    await expect(create(folder, 'base: BASE')).rejects.toMatchObject({code: 'OUTPUT_EXISTS'});
    expect(await readFile(join(folder, 'out.img'), 'utf8')).toBe('precious');
  });

  test('2: stays as it is when only checked, and nothing else is made', async () => {
    const folder = await makeTempFolder();
    await writeFile(join(folder, 'out.img'), 'precious');
    const cacheDir = join(folder, 'cache');
    await create(folder, 'base: BASE', {
      isCheck: true,
      overwrite: true,
      cacheDir,
      buildDir: join(folder, 'build'),
    });
    expect((await readdir(folder)).sort()).toEqual(['image.yaml', 'out.img']);
    expect(await readFile(join(folder, 'out.img'), 'utf8')).toBe('precious');
  });

  test('stays as it is when making the new one fails, and is replaced when not', async () => {
    const folder = await makeTempFolder();
    await writeFile(join(folder, 'out.img'), 'precious');
    await writeFile(join(folder, 'broken.tar'), 'no tar at all'.repeat(100));
    const text = 'base: BASE\nfiles: [{url: ./broken.tar, to: /data/x, via: tar}]';
    await expect(create(folder, text, {overwrite: true})).rejects.toMatchObject({code: 'CONTENT_INVALID'});
    expect(await readFile(join(folder, 'out.img'), 'utf8')).toBe('precious');
    await create(folder, 'base: BASE', {overwrite: true});
    expect((await readImage(join(folder, 'out.img'))).complaints).toBe('');
    expect((await readdir(folder)).sort()).toEqual(['broken.tar', 'image.yaml', 'out.img']);
  });
});

describe('downloads', () => {
  test('3, 4: a file that fails, fails the run; the others are kept for the next one', async () => {
    const folder = await makeTempFolder();
    const content = Buffer.alloc(200_000, 'zim ');
    let isBroken = true;
    const server = await serve((request, response) => {
      // It is there when it is asked about, and not when it is fetched.
      if (request.url === '/bad' && isBroken && request.method === 'GET') response.writeHead(404).end();
      else answer(request, response, {content, etag: '"1"'});
    });
    const text = `base: BASE\nfiles:\n${['/good1', '/bad', '/good2'].map((name) => `- {url: "${server.origin}${name}", to: /data${name}}\n`).join('')}`;
    const options = {cacheDir: join(folder, 'cache')};
    await expect(create(folder, text, options)).rejects.toMatchObject({code: 'DOWNLOAD_FAILED'});
    expect(await readdir(folder)).not.toContain('out.img');
    isBroken = false;
    const result = await create(folder, text, options);
    expect(result.receivedBytes).toBe(content.length);
    const image = await readImage(join(folder, 'out.img'));
    for (const name of ['/good1', '/bad', '/good2'])
      expect(image.data.get(name)?.content?.equals(content)).toBe(true);
    await create(folder, text, {...options, overwrite: true}).then(({receivedBytes}) =>
      expect(receivedBytes).toBe(0),
    );
  });

  test('3: a wrong checksum fails the run', async () => {
    const folder = await makeTempFolder();
    const server = await serve((request, response) =>
      answer(request, response, {content: Buffer.from('other')}),
    );
    const text = `base: BASE\nfiles: [{url: "${server.origin}/x", to: /data/x, checksum: {algo: sha-256, value: "${'0'.repeat(64)}"}}]`;
    await expect(create(folder, text)).rejects.toMatchObject({code: 'DOWNLOAD_FAILED'});
    expect(await readdir(folder)).toEqual(['image.yaml']);
  });

  test('5: twelve small files arrive', async () => {
    const folder = await makeTempFolder();
    const server = await serve((request, response) =>
      answer(request, response, {content: Buffer.from(request.url ?? '')}),
    );
    const names = Array.from({length: 12}, (_, index) => `/small${index}`);
    await create(
      folder,
      `base: BASE\nfiles:\n${names.map((name) => `- {url: "${server.origin}${name}", to: /data${name}}\n`).join('')}`,
    );
    const image = await readImage(join(folder, 'out.img'));
    for (const name of names) expect(image.data.get(name)?.content?.toString()).toBe(name);
  });

  test('6: an interruption leaves nothing', async () => {
    const folder = await makeTempFolder();
    const stop = new AbortController();
    await writeFile(join(folder, 'big'), Buffer.alloc(4_000_000, 1));
    const run = create(folder, 'base: BASE\nfiles: [{url: ./big, to: /data/big}]', {
      signal: stop.signal,
      buildDir: join(folder, 'build'),
      onEvent: (event) => {
        if (event.type === 'content-progress' && event.phase === 'fill') stop.abort();
      },
    });
    await expect(run).rejects.toThrow('aborted');
    expect((await readdir(folder)).sort()).toEqual(['big', 'build', 'image.yaml']);
  });

  test('12: an address that is not there is found by --check, also when its size is declared', async () => {
    const folder = await makeTempFolder();
    const server = await serve((_request, response) => response.writeHead(404).end());
    const text = `base: BASE\nfiles: [{url: "${server.origin}/gone", to: /data/x, size: 5}]`;
    await expect(create(folder, text, {isCheck: true})).rejects.toMatchObject({code: 'SOURCE_MISSING'});
  });

  test('13: what the cache has, is judged by the checksum, too', async () => {
    const folder = await makeTempFolder();
    const content = Buffer.from('as it was');
    const server = await serve((request, response) => answer(request, response, {content, etag: '"1"'}));
    const options = {cacheDir: join(folder, 'cache'), overwrite: true};
    const text = (digest: string) =>
      `base: BASE\nfiles: [{url: "${server.origin}/x", to: /data/x, checksum: {algo: sha-256, value: "${digest}"}}]`;
    await create(folder, text(sha256(content)), options);
    await expect(create(folder, text('1'.repeat(64)), options)).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
    });
  });
});

test('7: a packed base with little content makes an image as large as the base', async () => {
  const folder = await makeTempFolder();
  const result = await create(folder, `base: BASE.xz`);
  expect(result.imageBytes).toBe((await stat(join(bases, 'base.img'))).size);
  expect((await readImage(join(folder, 'out.img'))).complaints).toBe('');
});

describe('8: archives and local files', () => {
  test.each([
    ['tar', ['-cf']],
    ['gztar', ['-czf']],
    ['bztar', ['-cjf']],
    ['xztar', ['-cJf']],
  ])('%s', async (via, flags) => {
    const folder = await makeTempFolder();
    await writeFile(join(folder, 'inner.txt'), 'inside');
    run(
      'tar',
      [
        ...flags,
        'a.archive',
        '--owner=1000',
        '--group=1001',
        '--mode=600',
        '--mtime=@1500000000',
        'inner.txt',
      ],
      folder,
    );
    await create(
      folder,
      `base: BASE\nfiles: [{url: "file://${folder}/a.archive", to: /data/a, via: ${via}}]`,
    );
    expect((await readImage(join(folder, 'out.img'))).data.get('/a/inner.txt')).toEqual({
      type: 'file',
      mode: '0600',
      owner: '1000:1001',
      mtime: 1_500_000_000,
      content: Buffer.from('inside'),
    });
  });
});

test('9: the configuration may come from an address', async () => {
  const folder = await makeTempFolder();
  const content = Buffer.from(`base: ${join(bases, 'base.img')}\n`);
  const server = await serve((request, response) => answer(request, response, {content}));
  await createContentImage({
    config: `${server.origin}/image.yaml`,
    output: join(folder, 'out.img'),
    sourceDateEpoch,
  });
  expect(await readdir(folder)).toEqual(['out.img']);
});

test('10: releases by version, no output, images as texts, root_size', async () => {
  const folder = await makeTempFolder();
  const base = await readFile(join(bases, 'base.img'));
  const md5 = createHash('md5').update(base).digest('hex');
  const server = await serve((request, response) => {
    if (request.url === '/r/offspot-base-arm64-1.10.0.img')
      answer(request, response, {content: base, etag: '"1"'});
    else if (request.url === '/r/offspot-base-arm64-1.10.0.img.md5')
      answer(request, response, {content: Buffer.from(`${md5}  x\n`)});
    else response.writeHead(404).end();
  });
  await using registry = await LoopbackRegistry.start();
  registry.add('offspot/kiwix-serve', 'dev', makeImage(['a']));
  const text = `base: {source: 1.10.0, releases: "${server.origin}/r", root_size: 10MiB}\noci_images: ["${registry.host}/offspot/kiwix-serve:dev"]`;
  await create(folder, text);
  const {data, complaints} = await readImage(join(folder, 'out.img'));
  expect(complaints).toBe('');
  expect([...data.keys()].filter((path) => path.startsWith('/images/'))).toHaveLength(2);
});

test('11: content keeps its last newline', async () => {
  const folder = await makeTempFolder();
  await create(
    folder,
    'base: BASE\nfiles:\n- to: /data/a\n  content: |\n    hello world\n- {to: /data/b, content: " "}\n- {to: /data/c, content: ""}\n',
  );
  const {data} = await readImage(join(folder, 'out.img'));
  expect(['/a', '/b', '/c'].map((path) => data.get(path)?.content?.toString())).toEqual([
    'hello world\n',
    ' ',
    '',
  ]);
});

describe('14: container images', () => {
  test('a layer with other content is refused', async () => {
    const folder = await makeTempFolder();
    await using registry = await LoopbackRegistry.start();
    const image = makeImage(['a']);
    registry.add('x/y', 'v1', image);
    const layer = [...image.blobs.keys()].at(-1) ?? '';
    registry.blobs.set(layer, Buffer.alloc(image.blobs.get(layer)?.length ?? 0));
    await expect(create(folder, `base: BASE\noci_images: ["${registry.host}/x/y:v1"]`)).rejects.toMatchObject(
      {
        code: 'REGISTRY_FAILED',
      },
    );
    expect(await readdir(folder)).toEqual(['image.yaml']);
  });

  test('are had from a registry that is busy at first (429)', async () => {
    const folder = await makeTempFolder();
    await using registry = await LoopbackRegistry.start();
    registry.add('web', '1', makeImage(['a']));
    let busy = 2;
    registry.intercept = (_request, response, {pathname}) => {
      if (!pathname.includes('/manifests/') || busy-- <= 0) return false;
      response.writeHead(429, {'retry-after': '0'}).end();
      return true;
    };
    const text = `base: BASE\noci_images: ["${registry.host}/web:1"]`;
    await create(folder, text);
    expect((await readImage(join(folder, 'out.img'))).complaints).toBe('');
  });

  test('one for arm64 alone is taken, one for another machine is not', async () => {
    const folder = await makeTempFolder();
    await using registry = await LoopbackRegistry.start();
    registry.add('x/y', 'arm64', makeImage(['a']));
    registry.add('x/y', 'amd64', makeImage(['a'], {architecture: 'amd64'}));
    await create(folder, `base: BASE\noci_images: ["${registry.host}/x/y:arm64"]`);
    await expect(
      create(folder, `base: BASE\noci_images: ["${registry.host}/x/y:amd64"]`, {overwrite: true}),
    ).rejects.toThrow('is for linux/amd64');
  });
});

// 15 is about the cache: test/unit/api/cache.

describe('16: what the reference passes over', () => {
  test('an exported tar is taken instead of the registry', async () => {
    const folder = await makeTempFolder();
    await using registry = await LoopbackRegistry.start();
    registry.add('x/y', 'v1', makeImage(['a', 'b']));
    await create(folder, `base: BASE\noci_images: ["${registry.host}/x/y:v1"]`);
    const [name = '', found] =
      [...(await readImage(join(folder, 'out.img'))).data].find(([path]) =>
        path.endsWith('linuxarm64v8.tar'),
      ) ?? [];
    await writeFile(
      join(folder, 'exported.tar.zst'),
      zstdCompressSync(found?.content ?? Buffer.alloc(0), folder),
    );
    const before = registry.requests.length;
    await create(
      folder,
      `base: BASE\noci_images: [{ident: "${registry.host}/x/y:v1", url: ./exported.tar.zst}]`,
      {overwrite: true},
    );
    expect(registry.requests).toHaveLength(before);
    expect((await readImage(join(folder, 'out.img'))).data.get(name)?.content).toEqual(found?.content);
  });

  test('a size that is smaller than the file is refused', async () => {
    const folder = await makeTempFolder();
    await writeFile(join(folder, 'a.tar'), Buffer.alloc(10_240));
    await expect(
      create(folder, 'base: BASE\nfiles: [{url: ./a.tar, to: /data/a, via: tar, size: 10000}]', {
        isCheck: true,
      }),
    ).rejects.toThrow('files[0].size says 10000 bytes, and the file itself has 10240');
  });

  test('write_config goes where the document says', async () => {
    const folder = await makeTempFolder();
    await create(folder, '# first\nbase: BASE\nwrite_config: true\n');
    const {data} = await readImage(join(folder, 'out.img'));
    expect(data.get('/conf/image.yaml')?.content).toEqual(await readFile(join(folder, 'image.yaml')));
  });
});

// 15, what eviction and the policy mean: test/unit/api/cache/plan-evictions.test.ts and policy-file.test.ts.

describe('17: neither root nor what only root has', () => {
  const wrong = [
    'mount',
    'umount',
    'losetup',
    'dmsetup',
    'mknod',
    'partprobe',
    'qemu-img',
    'parted',
    'fdisk',
  ];

  test.each([
    {name: 'a check', more: ['--check'], made: false},
    {name: 'making an image', more: [], made: true},
  ])('is needed for $name', async ({more, made}) => {
    const folder = await makeTempFolder();
    // Whoever calls one of them is written down.
    const called = join(folder, 'called');
    const programs = join(folder, 'bin');
    await mkdir(programs);
    for (const name of wrong)
      await writeFile(join(programs, name), `#!/bin/sh\necho ${name} >>${called}\nexit 1\n`, {mode: 0o755});
    await writeFile(
      join(folder, 'image.yaml'),
      `base: ${join(bases, 'base.img')}\nfiles: [{to: /data/x, content: x}]\noffspot: {hostname: reef}\n`,
    );
    const command = [process.execPath, '--import', 'tsx', join(packageRoot(), 'cli/image-creator.ts')];
    const all = [...command, join(folder, 'image.yaml'), join(folder, 'out.img'), ...more];
    // As root: without any capability, which neither mounts nor makes devices.
    const powerless = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs', '--', ...all];
    const [program = '', ...args] = process.getuid?.() === 0 ? powerless : all;
    execFileSync(program, args, {
      cwd: packageRoot(),
      env: {...process.env, PATH: `${programs}:${process.env['PATH'] ?? ''}`},
      stdio: 'pipe',
    });
    expect((await readdir(folder)).includes('called')).toBe(false);
    expect((await readdir(folder)).includes('out.img')).toBe(made);
    if (made) expect((await readImage(join(folder, 'out.img'))).complaints).toBe('');
  });
});
