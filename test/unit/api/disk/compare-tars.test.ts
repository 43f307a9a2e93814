import {gzipSync} from 'node:zlib';
import {describe, expect, it} from 'vitest';
import {compare, nowSeconds, place} from './compare.ts';
import {makeTar, type TarSpec} from './images.ts';

const files: readonly TarSpec[] = [
  {name: './', type: '5', mode: 0o755},
  {name: './etc/', type: '5', mode: 0o755},
  {name: './etc/hostname', content: 'black-pearl\n'},
  {name: './etc/localtime', type: '2', target: '/usr/share/zoneinfo/UTC'},
  {name: './usr/bin/sudo', content: 's'.repeat(2000), mode: 0o4755},
];

const before = makeTar(files);
const withFile = (name: string, given: Partial<TarSpec>) =>
  makeTar(files.map((file) => (file.name === name ? {...file, ...given} : file)));

describe('a tarball', () => {
  it('that is the same has no differences', async () => {
    expect(await compare('x.tar', before, makeTar(files))).toEqual([]);
  });

  it.each<[string, Partial<TarSpec>, string, string | undefined]>([
    ['./etc/hostname', {content: 'black-peach\n'}, '/etc/hostname → content 9', 'a host name'],
    ['./etc/hostname', {mode: 0o600}, '/etc/hostname → mode', 'the umask of the build'],
    ['./etc/hostname', {uid: 1000}, '/etc/hostname → uid', 'the user ids of the machine that packed it'],
    [
      './etc/hostname',
      {mtime: nowSeconds},
      '/etc/hostname → mtime',
      'a time stamp: the clock of the build machine',
    ],
    ['./etc/localtime', {target: '/usr/share/zoneinfo/CET'}, '/etc/localtime → target', undefined],
    [
      './usr/bin/sudo',
      {pax: {'SCHILY.xattr.security.capability': 'x'}},
      '/usr/bin/sudo → SCHILY.xattr.security.capability',
      undefined,
    ],
  ])('%s with %j', async (name, given, where, cause) => {
    const found = await compare('x.tar', before, withFile(name, given));
    expect(found.map(place)).toEqual([where]);
    expect(found[0]?.probably).toBe(cause);
  });

  it('with a file less and one more names both', async () => {
    const after = makeTar([...files.slice(0, 4), {name: './usr/bin/sudo-rs', content: ''}]);
    expect(
      (await compare('x.tar', before, after)).map(({path, before: a, after: b}) => [...path, a, b]),
    ).toEqual([
      ['/usr/bin/sudo', 'file', 'absent'],
      ['/usr/bin/sudo-rs', 'absent', 'file'],
    ]);
  });

  it('in another order says from where on', async () => {
    const [a, b, c, ...rest] = files as [TarSpec, TarSpec, TarSpec, ...TarSpec[]];
    expect(await compare('x.tar', before, makeTar([a, c, b, ...rest]))).toMatchObject([
      {
        path: [],
        what: 'order of entries',
        before: 'entry 2 is /etc',
        after: 'entry 2 is /etc/hostname',
        probably: 'the order in which a folder was read: it was not sorted',
      },
    ]);
  });

  it('takes long names and large values from extended headers', async () => {
    const long = `./${'deep/'.repeat(30)}file`;
    const make = (mtime: string) =>
      makeTar([{name: 'short', content: 'x', pax: {path: long, mtime, uid: '3000000'}}]);
    const [found] = await compare('x.tar', make('1700000000'), make('1700000000.5'));
    expect(found).toMatchObject({
      path: [long.slice(1)],
      what: 'mtime',
      after: '2023-11-14T22:13:20.500Z (1700000000.5)',
    });
  });

  it('is unpacked when it is compressed', async () => {
    const after = withFile('./usr/bin/sudo', {content: `${'s'.repeat(1999)}!`});
    expect((await compare('x.tar.gz', gzipSync(before), gzipSync(after))).map(place)).toEqual([
      '/usr/bin/sudo → content 1999',
    ]);
  });

  it('with a time in the header of gzip says so', async () => {
    const after = gzipSync(before);
    after.writeUInt32LE(nowSeconds, 4);
    const [found] = await compare('x.tar.gz', gzipSync(before), after);
    expect(found).toMatchObject({
      what: 'packing (the content is the same)',
      offset: 4,
      probably: 'the time stamp in the header of gzip (gzip -n leaves it out)',
    });
  });

  it.each([
    ['cut off', before.subarray(0, 4000)],
    ['no tar', Buffer.from('x'.repeat(2048))],
    [
      'with a wrong checksum',
      Buffer.concat([before.subarray(0, 1024), Buffer.from('!'), before.subarray(1025)]),
    ],
  ])('that is %s is compared byte by byte', async (_what, after) => {
    const [found] = await compare('x.tar', before, after);
    expect(found?.path).toEqual([]);
    expect(found?.what).toBe('content');
  });

  it('that is no gzip is compared byte by byte', async () => {
    const [found] = await compare('x.tar.gz', gzipSync(before), Buffer.from('not packed at all'));
    expect(found).toMatchObject({offset: 0});
  });
});

it('a list of packages names the package', async () => {
  const lines = (version: string) => Buffer.from(`adduser\t3.1\tall\t00\nsystemd\t${version}\tarm64\t00\n`);
  const [found] = await compare('packages.tsv', lines('257.8-1'), lines('257.9-1'));
  expect(found).toMatchObject({
    path: [],
    offset: 31,
    probably: 'a package of another version: the mirror has moved on',
  });
});
