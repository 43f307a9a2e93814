import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {ConfigError, formatConfigIssue} from '../../../configs/config-error.ts';
import {diffLocks} from '../../../configs/diff-locks.ts';
import {
  parseLock,
  parsePackageList,
  parseToolList,
  readLock,
  renderLock,
  renderPackageList,
  renderToolList,
  type Lock,
  type LockedPackage,
  type LockedTools,
} from '../../../configs/lock-file.ts';
import {SourceText} from '../../../configs/source-text.ts';

const vim = deb('vim', '2:9.1.1230-2');
const sudo = deb('sudo', '1.9.16p2-3');

function deb(name: string, version: string, digit = 'a'): LockedPackage {
  return {
    name,
    version,
    architecture: 'arm64',
    sha256: digit.repeat(64),
    size: 1234,
    path: `pool/main/${name[0] ?? ''}/${name}/${name}_1~deb13+u1_arm64.deb`,
  };
}

/** An image with apt, made of `content`. */
function tools(version: string, content = 'c'): LockedTools {
  return {
    image: {content: content.repeat(64), sha256: 'd'.repeat(64), size: 7},
    packages: [{name: 'apt', version, architecture: 'amd64', sha256: 'b'.repeat(64)}],
  };
}

function lockOf(packages: LockedPackage[], changes: Partial<Lock> = {}): Lock {
  return {
    format: 2,
    source_date_epoch: 1_795_054_374,
    base_image: {from: 'debian@sha256:00', architectures: {amd64: tools('3.0.4')}},
    components: {root_fs: {request: {SUITE: 'trixie'}, packages}},
    ...changes,
  };
}

const parse = (text: string) => parseLock(new SourceText('/project/hypriotkit.lock', text));

/** The first line of each problem in a text, without the file's name. */
function problemsOf(text: string): string[] {
  try {
    parse(text);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.issues.map((issue) =>
      (formatConfigIssue(issue, '/project').split('\n')[0] ?? '').replace('hypriotkit.lock:', ''),
    );
  }
  return [];
}

/** The text of a lock with one piece of it replaced. */
function changed(from: string, to: string): string {
  const text = renderLock(lockOf([sudo, vim]));
  expect(text).toContain(from);
  return text.replace(from, () => to);
}

describe('renderLock', () => {
  it('is read back as what was written', () => {
    const lock = lockOf([sudo, vim]);
    expect(parse(renderLock(lock))).toEqual(lock);
    const images = {'docker.io/library/alpine:3.20': {digest: `sha256:${'e'.repeat(64)}`}};
    expect(parse(renderLock({...lock, images}))).toEqual({...lock, images});
  });

  it('refuses an image without a name or a digest', () => {
    const withImages = (images: object) => JSON.stringify({...lockOf([sudo]), images});
    expect(problemsOf(withImages({'Not a name': {digest: `sha256:${'e'.repeat(64)}`}})).join()).toContain(
      'must be the name of an image',
    );
    expect(problemsOf(withImages({'a:1': {digest: 'sha256:12'}})).join()).toContain('must be a digest');
  });

  it('does not depend on any order', () => {
    const packages = [deb('a', '1'), deb('b', '1'), deb('c', '1'), {...deb('c', '1'), architecture: 'all'}];
    const text = renderLock(lockOf(packages));
    fc.assert(
      fc.property(fc.shuffledSubarray(packages, {minLength: packages.length}), (shuffled) => {
        expect(renderLock(lockOf(shuffled))).toBe(text);
      }),
    );
  });

  it('gives each package a line of its own, so that a diff shows what changed', () => {
    const before = renderLock(lockOf([sudo, vim])).split('\n');
    const after = renderLock(lockOf([sudo, deb('vim', '2:9.2')])).split('\n');
    expect(after.filter((line) => !before.includes(line))).toHaveLength(1);
  });

  it('can be empty', () => {
    const lock = lockOf([], {base_image: {from: '', architectures: {}}, components: {}});
    expect(parse(renderLock(lock))).toEqual(lock);
  });
});

describe('parseLock', () => {
  it.each([
    [
      'the version',
      '"2:9.1.1230-2"',
      '"1; rm -rf /"',
      'components.root_fs.packages.1.version must be the version',
    ],
    [
      'the digest',
      `"${'a'.repeat(64)}"`,
      '"../../etc/passwd"',
      'components.root_fs.packages.0.sha256 must be',
    ],
    [
      'the digest',
      `"${'a'.repeat(64)}"`,
      `"${'A'.repeat(64)}"`,
      'components.root_fs.packages.0.sha256 must be',
    ],
    ['the path', '"pool/main/s/', '"../../s/', 'components.root_fs.packages.0.path must be'],
    ['the path', '"pool/main/s/', '"/etc/', 'components.root_fs.packages.0.path must be'],
    ['the path', '"pool/main/s/', '"http://x/', 'components.root_fs.packages.0.path must be'],
    ['the path', '"pool/main/s/', '"pool/\\n/', 'components.root_fs.packages.0.path must be'],
    ['the name', '"name": "sudo"', '"name": "-o=x"', 'components.root_fs.packages.0.name must be'],
    ['the name', '"name": "sudo"', '"name": "su\\tdo"', 'components.root_fs.packages.0.name must be'],
    [
      'the name',
      '"name": "sudo"',
      '"name": "vim"',
      'components.root_fs.packages.1.name must not list vim:arm64 twice',
    ],
    ['the name', '"name": "sudo", ', '', 'components.root_fs.packages.0.name is missing'],
    ['the size', '"size": 1234', '"size": -1', 'components.root_fs.packages.0.size is wrong'],
    ['the size', '"size": 1234', '"size": 1e400', 'components.root_fs.packages.0.size is wrong'],
    [
      'another field',
      '"name": "sudo"',
      '"name": "sudo", "run": "x"',
      'components.root_fs.packages.0 has no field "run"',
    ],
    ['the component', '"root_fs": ', '"../x": ', '"../x" must be the name of a component'],
    [
      'the format',
      '"format": 2',
      '"format": 1',
      'format must be 2: another format needs the hypriotkit that wrote it',
    ],
    ['the date', '1795054374', '12', 'source_date_epoch is wrong'],
    ['a tool', '"3.0.4"', '"3 0 4"', 'base_image.architectures.amd64.packages.0.version must be the version'],
    ['a tool', '"b'.padEnd(65, 'b'), '"b', 'base_image.architectures.amd64.packages.0.sha256 must be'],
    ['an image', '"c'.padEnd(65, 'c'), '"../c', 'base_image.architectures.amd64.image.content must be'],
    ['an image', '"d'.padEnd(65, 'd'), '"../d', 'base_image.architectures.amd64.image.sha256 must be'],
  ])('refuses %s when it is hostile: %s → %s', (_what, from, to, problem) => {
    const problems = problemsOf(changed(from, to));
    expect(problems.length).toBeGreaterThan(0);
    expect(problems[0]).toMatch(/^\d+:\d+ /);
    expect(problems[0]).toContain(problem);
  });

  it('says where the mistake is', () => {
    const text = changed('"name": "sudo"', '"name": "SUDO"');
    const line = text.slice(0, text.indexOf('SUDO')).split('\n').length;
    const column = text.split('\n')[line - 1]?.indexOf('"SUDO"') ?? -1;
    expect(problemsOf(text)).toEqual([
      `${line}:${column + 1} components.root_fs.packages.0.name must be the name of a Debian package, found "SUDO"`,
    ]);
  });

  it('refuses a tower of brackets', () => {
    expect(problemsOf('['.repeat(100_000))).toHaveLength(1);
  });

  it('does not pollute prototypes', () => {
    const lock = parse(changed('"root_fs": ', '"__proto__": '));
    expect(Object.keys(lock.components)).toEqual([]);
    expect((lock.components as Record<string, unknown>)['packages']).toBeUndefined();
    problemsOf('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it.each(['', ' ', '{', '[]', 'null', '[[[', '{"format": 2}', '<<<<<<< HEAD\n{}'])(
    'refuses %j with a position and without a crash',
    (text) => {
      const problems = problemsOf(text.slice(0, 200_000));
      expect(problems.length).toBeGreaterThan(0);
      for (const problem of problems) expect(problem).toMatch(/^\d+:\d+ ./);
    },
  );

  it('never throws anything but a ConfigError', () => {
    const text = renderLock(lockOf([sudo, vim]));
    fc.assert(
      fc.property(fc.nat(text.length), fc.nat(20), fc.string({maxLength: 5}), (start, length, insert) => {
        problemsOf(text.slice(0, start) + insert + text.slice(start + length));
      }),
    );
  });
});

describe('readLock', () => {
  it('is undefined without a file, and a ConfigError for one that is no text', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hypriotkit-lock-'));
    try {
      const file = join(folder, 'hypriotkit.lock');
      expect(await readLock(file)).toBeUndefined();
      await writeFile(file, Buffer.from([0xff, 0xfe, 0x00]));
      await expect(readLock(file)).rejects.toThrow(ConfigError);
    } finally {
      await rm(folder, {recursive: true});
    }
  });
});

describe('a list of tools', () => {
  it('is read back, sorted, with and without a digest', () => {
    const [known] = tools('3.0.4').packages;
    if (known === undefined) throw new Error('no package');
    const own = {name: 'aaa', version: '1:1', architecture: 'all'};
    const text = `aaa\t1:1\tall\t\napt\t3.0.4\tamd64\t${'b'.repeat(64)}\n`;
    expect(renderToolList([known, own])).toBe(text);
    expect(parseToolList(text)).toEqual([own, known]);
    const lock = lockOf([], {base_image: {from: '', architectures: {amd64: {packages: [own, known]}}}});
    expect(parse(renderLock(lock))).toEqual(lock);
    expect(parse(renderLock({...lock, boot: {architectures: {amd64: tools('1')}}})).boot).toEqual({
      architectures: {amd64: tools('1')},
    });
  });

  it.each(['apt', 'apt\t1', 'apt\t1;\tamd64\t', 'apt\t1\tamd64\tabc'])('cannot have the line %j', (line) => {
    expect(() => parseToolList(line)).toThrow();
  });
});

describe('a list of packages', () => {
  it('is read back as what was written, sorted', () => {
    expect(parsePackageList(renderPackageList([vim, sudo]))).toEqual([sudo, vim]);
    expect(renderPackageList([])).toBe('');
  });

  it('must have every field', () => {
    expect(() => parsePackageList('vim\t1\tarm64\n')).toThrow();
  });
});

describe('diffLocks', () => {
  it('names what was added, removed and changed, with both versions', () => {
    const now = lockOf([deb('vim', '2:9.2'), deb('zstd', '1.5.7')], {source_date_epoch: 1_795_140_774});
    expect(diffLocks(lockOf([sudo, vim]), now)).toEqual([
      'date of the archive 2026-11-19T02:12:54Z → 2026-11-20T02:12:54Z',
      'root_fs: sudo removed, was 1.9.16p2-3',
      'root_fs: vim 2:9.1.1230-2 → 2:9.2',
      'root_fs: zstd added, 1.5.7',
    ]);
  });

  it('notices the same version with another content', () => {
    expect(diffLocks(lockOf([vim]), lockOf([deb('vim', vim.version, 'b')]))).toEqual([
      'root_fs: vim 2:9.1.1230-2 has another SHA-256',
    ]);
  });

  it('compares the base image, and does not mind an engine of another architecture', () => {
    const base = (architectures: Record<string, LockedTools>) =>
      lockOf([], {base_image: {from: 'debian@sha256:00', architectures}});
    expect(diffLocks(base({amd64: tools('1')}), base({amd64: tools('2', 'e'), arm64: tools('2')}))).toEqual([
      'base_image: apt 1 → 2',
    ]);
    expect(diffLocks(base({amd64: tools('1')}), base({amd64: tools('1', 'e')}))).toEqual([
      'base_image: another image of the same packages',
    ]);
    const unkept = {packages: tools('1').packages};
    expect(diffLocks(base({amd64: unkept}), base({amd64: tools('1')}))).toEqual([]);
  });

  it('is empty for the same', () => {
    expect(diffLocks(lockOf([sudo, vim]), lockOf([vim, sudo]))).toEqual([]);
  });
});
