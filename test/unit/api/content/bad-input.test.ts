import {execFileSync} from 'node:child_process';
import {mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {createContentImage, type ContentOptions} from '../../../../api/content/create-content-image.ts';
import {PipelineError} from '../../../../api/errors.ts';
import {makeTar, type TarSpec} from '../disk/images.ts';
import {answer, serve} from '../download/file-server.ts';
import {LoopbackRegistry} from '../registry/loopback-registry.ts';
import {makeTempFolder} from '../temp-folder.ts';
import {makeBase, makeSparse, readImage} from './rig.ts';

let bases = '';
beforeAll(async () => {
  bases = await mkdtemp(join(tmpdir(), 'hypriotkit-test-'));
  await makeBase(join(bases, 'base.img'));
});
afterAll(() => rm(bases, {recursive: true, force: true}));

async function create(folder: string, text: string, options: Partial<ContentOptions> = {}) {
  const config = join(folder, 'image.yaml');
  await writeFile(config, text.replaceAll('BASE', join(bases, 'base.img')));
  return createContentImage({
    config,
    output: join(folder, 'out.img'),
    sourceDateEpoch: 1_700_000_000,
    ...options,
  });
}

/** The error of a run that must leave nothing. */
async function failure(
  folder: string,
  text: string,
  options: Partial<ContentOptions> = {},
): Promise<PipelineError> {
  const before = await readdir(folder);
  const error: unknown = await create(folder, text, options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect((await readdir(folder)).filter((name) => name !== 'image.yaml').sort()).toEqual(
    before.filter((name) => name !== 'image.yaml').sort(),
  );
  if (!(error instanceof PipelineError)) throw new Error('it did not fail as it should', {cause: error});
  return error;
}

const patch = (name: string, change: (disk: Buffer) => Buffer | undefined) => async (folder: string) => {
  const disk = await readFile(join(bases, 'base.img'));
  await writeFile(join(folder, name), change(disk) ?? disk);
  return `base: ./${name}`;
};
const entry = (disk: Buffer, number: number) =>
  disk.subarray(446 + (number - 1) * 16, 462 + (number - 1) * 16);
const dataStart = (disk: Buffer) => entry(disk, 3).readUInt32LE(8) * 512;

describe('a base image', () => {
  test.each<[string, (folder: string) => Promise<string>, string]>([
    ['with GPT', patch('b.img', (disk) => void entry(disk, 1).writeUInt8(0xee, 4)), 'has a GPT'],
    [
      'with logical partitions',
      patch('b.img', (disk) => void entry(disk, 2).writeUInt8(5, 4)),
      'has logical partitions',
    ],
    [
      'with one partition',
      patch('b.img', (disk) => void disk.fill(0, 462, 510)),
      'has no third partition for data',
    ],
    ['without a partition table', patch('b.img', (disk) => void disk.fill(0, 0, 512)), 'is not a disk image'],
    [
      'that ends with FAT',
      patch('b.img', (disk) => void entry(disk, 3).writeUInt8(0x0c, 4)),
      'does not end with a Linux partition',
    ],
    [
      'without a file system in it',
      patch('b.img', (disk) => void disk.fill(0, dataStart(disk))),
      'damaged beyond repair',
    ],
    ['that is cut off', patch('b.img', (disk) => disk.subarray(0, disk.length - 4_000_000)), 'is cut off'],
    ['that is empty', patch('b.img', () => Buffer.alloc(0)), 'is not a disk image'],
    [
      'that is packed and damaged',
      patch('b.img.gz', (disk) => gzipSync(disk).subarray(0, 5000)),
      'cannot be unpacked',
    ],
  ])('%s is refused', async (_name, make, message) => {
    const folder = await makeTempFolder();
    const text = await make(folder);
    expect(await failure(folder, text)).toMatchObject({
      code: 'IMAGE_UNUSABLE',
      message: expect.stringContaining(message) as string,
    });
  });

  test('with two partitions, the second of which is no root file system, is refused', async () => {
    const folder = await makeTempFolder();
    await makeBase(join(folder, 'b.img'), {isTwoParts: true, data: {x: 'x'}});
    expect((await failure(folder, 'base: ./b.img')).message).toContain('its last one is no root file system');
  });

  test('with two partitions gets a folder /data in its root file system', async () => {
    const folder = await makeTempFolder();
    await makeBase(join(folder, 'b.img'), {isTwoParts: true, data: {'etc/fstab': 'x'}, options: []});
    await create(folder, 'base: ./b.img\nfiles: [{content: x, to: /data/a/b}]');
    const {data, complaints} = await readImage(join(folder, 'out.img'));
    expect([data.get('/data/a/b')?.content?.toString(), data.has('/etc/fstab'), complaints]).toEqual([
      'x',
      true,
      '',
    ]);
  });

  test('with a data partition that was not unmounted cleanly is repaired, and that is said', async () => {
    const folder = await makeTempFolder();
    await makeBase(join(folder, 'b.img'), {
      // Without checksums, so that nothing but the state is different.
      options: ['-O', '^metadata_csum,^64bit'],
      change: (disk) => void disk.writeUInt16LE(0, dataStart(disk) + 1024 + 58),
    });
    const text = 'base: ./b.img';
    const notices: string[] = [];
    await create(folder, text, {
      onEvent: (event) => {
        if (event.type === 'notice') notices.push(event.message);
      },
    });
    expect(notices).toEqual([expect.stringContaining('was not unmounted cleanly')]);
    expect((await readImage(join(folder, 'out.img'))).complaints).toBe('');
  });

  test('that is the output itself is refused', async () => {
    const folder = await makeTempFolder();
    await makeBase(join(folder, 'out.img'));
    expect(await failure(folder, 'base: ./out.img', {overwrite: true})).toMatchObject({
      code: 'OUTPUT_UNUSABLE',
    });
  });

  test('of a pipeline that has built nothing is a source that is not there', async () => {
    const folder = await makeTempFolder();
    expect(await failure(folder, 'base: {pipeline: ./configs.json}')).toMatchObject({code: 'SOURCE_MISSING'});
  });

  test('of a pipeline is taken from its folder, or built', async () => {
    const folder = await makeTempFolder();
    await writeFile(join(folder, 'configs.json'), '{}');
    const text = 'base: {pipeline: ./configs.json}';
    const built: string[] = [];
    await create(folder, text, {
      buildBase: async (configs) => {
        built.push(configs);
        return makeBase(join(folder, 'hypriotos-rpi64-latest.img'));
      },
    });
    expect(built).toEqual([join(folder, 'configs.json')]);
    await create(folder, text, {overwrite: true, isCheck: true});
  });
});

describe('content that does not fit', () => {
  test('is said by how much, with the five largest', async () => {
    const folder = await makeTempFolder();
    for (let index = 1; index <= 6; index++) await makeSparse(join(folder, `f${index}`), index * 10_000_000);
    const files = [1, 2, 3, 4, 5, 6].map((index) => `- {url: ./f${index}, to: /data/f${index}}`).join('\n');
    const error = await failure(folder, `base: BASE\noutput: {size: 100MB}\nfiles:\n${files}`);
    expect(error.code).toBe('CONTENT_TOO_LARGE');
    const rootBytes = dataStart(await readFile(join(bases, 'base.img')));
    const needed = Math.ceil((rootBytes + 210_000_000 + 21_000_000) / 512) * 512;
    expect(error.message).toContain(`(${needed} bytes)`);
    expect(error.message).toContain(`(${needed - 100_000_000} bytes) more than output.size allows`);
    expect(error.hint?.match(/files\[\d\]/g)).toEqual([
      'files[5]',
      'files[4]',
      'files[3]',
      'files[2]',
      'files[1]',
    ]);
  });

  test('into --max-size, is said', async () => {
    const folder = await makeTempFolder();
    const error = await failure(folder, 'base: BASE', {maxBytes: 1_000_000});
    expect([error.code, error.message]).toEqual([
      'CONTENT_TOO_LARGE',
      expect.stringContaining('more than --max-size allows'),
    ]);
  });

  test('because an archive unpacks to more than anybody said, is said when it happens', async () => {
    const folder = await makeTempFolder();
    await writeFile(
      join(folder, 'bomb.tar.gz'),
      gzipSync(makeTar([{name: 'zeros', content: '\0'.repeat(40_000_000)}])),
    );
    const error = await failure(folder, 'base: BASE\nfiles: [{url: ./bomb.tar.gz, to: /data/x, via: gztar}]');
    expect([error.code, error.message]).toEqual(['CONTENT_TOO_LARGE', expect.stringContaining('files[0]')]);
  });

  test('because an archive is larger than its declared size', async () => {
    const folder = await makeTempFolder();
    await writeFile(
      join(folder, 'bomb.tar.gz'),
      gzipSync(makeTar([{name: 'zeros', content: '\0'.repeat(1_000_000)}])),
    );
    const error = await failure(
      folder,
      'base: BASE\nfiles: [{url: ./bomb.tar.gz, to: /data/x, via: gztar, size: 900000}]',
    );
    expect([error.code, error.message]).toEqual([
      'CONTENT_INVALID',
      expect.stringContaining('unpacks to more than the 900000 bytes'),
    ]);
  });

  test('because there are too many files', async () => {
    const folder = await makeTempFolder();
    const members = Array.from({length: 200}, (_, index): TarSpec => ({name: `f${index}`, content: 'x'}));
    await writeFile(join(folder, 'many.tar'), makeTar(members));
    const error = await failure(folder, 'base: BASE\nfiles: [{url: ./many.tar, to: /data/x, via: tar}]');
    expect([error.code, error.message]).toEqual([
      'CONTENT_TOO_LARGE',
      expect.stringContaining('number of files'),
    ]);
  });

  test('makes an image of unsaid size larger where the base has less room than it should', async () => {
    const folder = await makeTempFolder();
    await makeBase(join(folder, 'b.img'), {data: {full: 'x'.repeat(9_000_000)}});
    await writeFile(join(folder, 'more'), 'x'.repeat(5_000_000));
    const {imageBytes} = await create(folder, 'base: ./b.img\nfiles: [{url: ./more, to: /data/more}]');
    expect((await readImage(join(folder, 'out.img'))).sizeBytes).toBe(imageBytes);
    await rm(join(folder, 'out.img'));
    const error = await failure(
      folder,
      `base: ./b.img\noutput: {size: 28000000}\nfiles: [{url: ./more, to: /data/more}]`,
    );
    expect(error.code).toBe('CONTENT_TOO_LARGE');
  });
});

describe('an archive', () => {
  test.each<[string, TarSpec]>([
    ['climbs', {name: '../up', content: 'x'}],
    ['starts at the root', {name: '/etc/passwd', content: 'x'}],
    ['climbs further down', {name: 'a/../../up', content: 'x'}],
    ['has a link to the outside', {name: 'out', type: '2', target: '../../etc'}],
    ['has a link to the root', {name: 'out', type: '2', target: '/etc/passwd'}],
    ['has a hard link to the outside', {name: 'out', type: '1', target: '../x'}],
    ['has a device', {name: 'null', type: '3'}],
    ['has a pipe', {name: 'pipe', type: '6'}],
  ])('that %s is refused', async (_name, member) => {
    const folder = await makeTempFolder();
    await writeFile(join(folder, 'a.tar'), makeTar([{name: 'good', content: 'x'}, member]));
    const error = await failure(folder, 'base: BASE\nfiles: [{url: ./a.tar, to: /data/x, via: tar}]');
    expect([error.code, error.message]).toEqual(['CONTENT_INVALID', expect.stringContaining('files[0]')]);
  });

  test('that writes through a link of its own is refused', async () => {
    const folder = await makeTempFolder();
    const members = [
      {name: 'd/x', content: ''},
      {name: 'l', type: '2', target: 'd'},
      {name: 'l/y', content: 'y'},
    ];
    await writeFile(join(folder, 'a.tar'), makeTar(members));
    expect(
      (await failure(folder, 'base: BASE\nfiles: [{url: ./a.tar, to: /data/x, via: tar}]')).message,
    ).toContain('is no folder');
  });

  test.each([
    ['gztar', 'a.tgz'],
    ['xztar', 'a.txz'],
    ['bztar', 'a.tbz'],
    ['zip', 'a.zip'],
    ['zstd', 'a.zst'],
  ])('via %s that is damaged is refused', async (via, name) => {
    const folder = await makeTempFolder();
    const start =
      {gztar: '1f8b08', xztar: 'fd377a585a00', bztar: '425a68', zip: '504b0304', zstd: '28b52ffd'}[via] ?? '';
    await writeFile(
      join(folder, name),
      Buffer.concat([Buffer.from(start, 'hex'), Buffer.alloc(5000, 'junk')]),
    );
    const error = await failure(folder, `base: BASE\nfiles: [{url: ./${name}, to: /data/x, via: ${via}}]`);
    expect([error.code, error.message]).toEqual(['CONTENT_INVALID', expect.stringContaining('files[0]')]);
  });

  test('as zip keeps modes and links, and loses litter', async () => {
    const folder = await makeTempFolder();
    execFileSync(
      'python3',
      [
        '-c',
        `
import zipfile
z = zipfile.ZipFile('a.zip', 'w', zipfile.ZIP_DEFLATED)
def add(name, content, mode):
    info = zipfile.ZipInfo(name, (2020, 1, 2, 3, 4, 6)); info.create_system = 3; info.external_attr = mode << 16
    z.writestr(info, content)
add('d/run.sh', 'echo', 0o100755); add('d/l', 'run.sh', 0o120777); add('__MACOSX/x', 'x', 0o100644); add('d/.DS_Store', 'x', 0o100644); add('d/Thumbs.db', 'x', 0o100644)
z.close()`,
      ],
      {cwd: folder},
    );
    await create(folder, 'base: BASE\nfiles: [{url: ./a.zip, to: /data/z, via: zip}]');
    const {data} = await readImage(join(folder, 'out.img'));
    expect([...data.keys()].filter((path) => path.startsWith('/z')).sort()).toEqual([
      '/z',
      '/z/d',
      '/z/d/l',
      '/z/d/run.sh',
    ]);
    expect(data.get('/z/d/run.sh')).toMatchObject({mode: '0755', mtime: 1_577_934_246});
    expect(data.get('/z/d/l')?.target).toBe('run.sh');
  });
});

describe('a server', () => {
  test('that answers with an error page, or with another length than it said, fails the run', async () => {
    const folder = await makeTempFolder();
    const server = await serve((request, response) =>
      answer(request, response, {content: Buffer.from('<html>no</html>'), type: 'text/html'}),
    );
    const error = await failure(folder, `base: "${server.origin}/base.img"`);
    expect(error).toMatchObject({
      code: 'IMAGE_UNUSABLE',
      message: expect.stringContaining('is not a disk image') as string,
    });
  });

  test.each([
    [401, 'does not let us read'],
    [429, '429'],
    [404, 'has no image'],
  ])('of images that answers %i is a source that cannot be had', async (status, message) => {
    const folder = await makeTempFolder();
    await using registry = await LoopbackRegistry.start();
    registry.intercept = (_request, response) => {
      response.writeHead(status, {'retry-after': '0'}).end();
      return true;
    };
    const error = await failure(folder, `base: BASE\noci_images: ["${registry.host}/x/y:v1"]`);
    expect([error.code, error.message]).toEqual(['SOURCE_MISSING', expect.stringContaining(message)]);
  });

  test('everything that cannot be had is said at once', async () => {
    const folder = await makeTempFolder();
    const error = await failure(
      folder,
      'base: ./none.img\nfiles: [{url: ./a, to: /data/a}, {url: ./b, to: /data/b}]',
    );
    expect(error.message.split('\n')).toHaveLength(4);
  });
});

describe('a disk', () => {
  test('without enough room is found before anything is downloaded', async () => {
    const folder = await makeTempFolder();
    const error = await failure(folder, 'base: BASE\noutput: {size: 900TB}');
    expect([error.code, error.message]).toEqual(['NO_SPACE', expect.stringContaining('are missing')]);
  });

  test('whose output folder is not there', async () => {
    const folder = await makeTempFolder();
    expect(await failure(folder, 'base: BASE', {output: join(folder, 'none', 'out.img')})).toMatchObject({
      code: 'OUTPUT_UNUSABLE',
    });
    expect(await failure(folder, 'base: BASE', {output: folder})).toMatchObject({code: 'OUTPUT_UNUSABLE'});
  });
});

test('an image that could not be finished is kept on demand, under another name', async () => {
  const folder = await makeTempFolder();
  await writeFile(join(folder, 'a.tar'), makeTar([{name: '../up'}]));
  await expect(
    create(folder, 'base: BASE\nfiles: [{url: ./a.tar, to: /data/x, via: tar}]', {keep: true}),
  ).rejects.toThrow('leads out');
  expect((await readdir(folder)).sort()).toEqual(['a.tar', 'image.yaml', 'out.img.incomplete']);
});

test('a build folder keeps what else is in it', async () => {
  const folder = await makeTempFolder();
  const build = await makeTempFolder();
  await writeFile(join(build, 'mine'), 'x');
  await create(folder, 'base: BASE', {buildDir: build});
  expect(await readdir(build)).toEqual(['mine']);
});
