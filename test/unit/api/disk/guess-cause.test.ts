import {randomBytes} from 'node:crypto';
import {describe, expect, it} from 'vitest';
import {firstDifferentByte} from '../../../../api/disk/first-difference.ts';
import {guessCause} from '../../../../api/disk/guess-cause.ts';
import {clues, nowSeconds} from './compare.ts';

/** The guess for two contents of a file. */
function guess(before: Buffer | string, after: Buffer | string, file = '/usr/lib/thing'): string | undefined {
  const [a, b] = [Buffer.from(before as string), Buffer.from(after as string)];
  const offset = firstDifferentByte(a, b);
  return guessCause(
    {
      file,
      what: 'content',
      before: '',
      after: '',
      bytes: {before: a, after: b, at: offset, offset},
      whole: {before: a, after: b},
    },
    clues,
  );
}

const u32 = (value: number, bigEndian = false) => {
  const bytes = Buffer.alloc(4);
  if (bigEndian) bytes.writeUInt32BE(value);
  else bytes.writeUInt32LE(value);
  return bytes;
};
const between = (bytes: Buffer) =>
  Buffer.concat([Buffer.from([0, 1, 2, 0, 0, 7, 0, 0]), bytes, Buffer.alloc(60)]);

describe('by its path', () => {
  it.each([
    ['/etc/ssh/ssh_host_ed25519_key', 'an SSH host key'],
    ['/etc/machine-id', 'a machine id'],
    ['/var/lib/dbus/machine-id', 'a machine id'],
    ['/var/lib/systemd/random-seed', 'a random seed'],
    ['/usr/lib/python3/dist-packages/apt/__pycache__/cache.cpython-313.pyc', 'byte code of Python'],
    ['/etc/shadow', 'a password'],
    ['/etc/gshadow-', 'a password'],
    ['/var/cache/ldconfig/aux-cache', 'a cache of ldconfig'],
    ['/var/log/dpkg.log', 'a log'],
    ['/etc/hostname', 'a host name'],
    ['/var/lib/apt/lists/mirror.example_InRelease', 'what apt has downloaded'],
    ['packages.tsv', 'a package of another version'],
  ])('%s is %s', (file, cause) => {
    expect(guess('a', 'b', file)).toMatch(new RegExp(`^${cause}`));
  });

  it('says nothing about the mode of such a file', () => {
    const evidence = {file: '/etc/machine-id', what: 'mode', before: '0644', after: '0600'};
    expect(guessCause(evidence, clues)).toBe('the umask of the build');
  });
});

describe('by a named value', () => {
  const field = (what: string, before: string, after: string) =>
    guessCause({file: 'superblock', what, before, after}, clues);

  it.each([
    ['UUID', 'an id that was made at random'],
    ['hash seed', 'an id that was made at random'],
    ['gid', 'the user ids of the machine that packed it'],
    ['order of entries', 'the order in which a folder was read: it was not sorted'],
    ['label', undefined],
  ])('%s', (what, cause) => {
    expect(field(what, 'a', 'b')).toBe(cause);
  });

  it('tells a time of today from another one', () => {
    expect(field('mtime', `x (${nowSeconds - 10})`, `x (${nowSeconds})`)).toBe(
      'a time stamp: the clock of the build machine',
    );
    expect(field('mtime', 'x (1600000000)', 'x (1600000009)')).toBe('a time stamp');
  });

  it('recognizes the epochs of the two builds', () => {
    const evidence = {file: '/a', what: 'mtime', before: `x (${nowSeconds})`, after: 'x (1700000000)'};
    expect(guessCause(evidence, {...clues, epochs: [nowSeconds, 1_700_000_000]})).toBe(
      'SOURCE_DATE_EPOCH, which was not the same',
    );
  });
});

describe('by its bytes', () => {
  it.each([
    ['little endian', false],
    ['big endian', true],
  ])('four bytes near now are a time stamp, %s', (_name, bigEndian) => {
    const [before, after] = [nowSeconds - 3700, nowSeconds].map((value) => between(u32(value, bigEndian)));
    expect(guess(before ?? '', after ?? '')).toBe('a time stamp: the clock of the build machine');
  });

  it('four bytes far from now are no time stamp', () => {
    expect(guess(between(u32(400_000_000)), between(u32(400_000_009)))).toBeUndefined();
  });

  it.each([
    ['built 2026-11-20T17:10:00Z', 'built 2026-11-20T17:12:31Z', 'a date as text'],
    ['Fri Nov 20 17:10:00 UTC', 'Sat Nov 21 17:10:00 UTC', 'a date as text'],
    ['at 20 Nov 2026 17:10:00', 'at 21 Nov 2026 17:10:00', 'a date as text'],
    [`t=${nowSeconds};`, `t=${nowSeconds + 7};`, 'a time stamp as text (seconds since 1970)'],
    ['t=1234567890;', 't=1234567899;', undefined],
    ['built on build-host-7.', 'built on somewhere els', 'the host name of a build machine (build-host-7)'],
    ['-I/tmp/cc3xYz/include', '-I/tmp/ccA9bQ/include', 'a path of the build (/tmp/cc3xYz/include)'],
    ['dir=/home/kim/src', 'dir=/home/lee/src', 'a path of the build (/home/kim/src)'],
    [
      'id=0b9d3f0e-7e52-4a67-9f6c-3a0f1f3b2c11',
      'id=9a41c2d7-11ee-4b0c-8f57-c0ffee123456',
      'a UUID that was made at random',
    ],
    ['h=00112233445566778899aabb', 'h=ff112233445566778899aabb', 'a digest of something that differs'],
    ['b\na\nc\n', 'a\nb\nc\n', 'the same lines in another order'],
    ['apples', 'apricot', undefined],
  ])('%j against %j', (before, after, cause) => {
    if (cause === undefined) expect(guess(before, after)).toBeUndefined();
    else expect(guess(before, after)).toContain(cause);
  });

  it('sixteen random bytes between the same ones are a UUID or a key', () => {
    const [a, b] = ['0b9d3f0e7e524a679f6c3a0f1f3b2c11', '9a41c2d711ee4b0c8f57c0ffeedd3456'];
    const make = (hex = '') => between(Buffer.from(hex, 'hex'));
    expect(guess(make(a), make(b))).toBe('a UUID or key that was made at random');
  });

  it('bytes that have nothing in common are random or packed', () => {
    expect(guess(randomBytes(96), randomBytes(96))).toMatch(/^(random or packed data|a time stamp)/);
  });

  it('the time in the header of gzip is told from its content', () => {
    const header = (time: number) =>
      Buffer.concat([Buffer.from('1f8b0800', 'hex'), u32(time), Buffer.alloc(40, 7)]);
    expect(guess(header(0), header(nowSeconds))).toBe(
      'the time stamp in the header of gzip (gzip -n leaves it out)',
    );
  });
});
