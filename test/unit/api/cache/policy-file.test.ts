import {mkdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {openCache, openCacheFolder} from '../../../../api/cache/download-cache.ts';
import {defaultPolicyText, parsePolicy} from '../../../../api/cache/policy-file.ts';
import {ConfigError, formatConfigIssue} from '../../../../configs/config-error.ts';
import {makeTempFolder} from '../temp-folder.ts';

const GiB = 1024 ** 3;

/** What is wrong with a policy, each with its place. */
function problemsOf(text: string): string[] {
  try {
    parsePolicy('/policy.yaml', text);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.issues.map((issue) => formatConfigIssue({...issue, excerpt: undefined} as never, '/'));
  }
}

describe('a policy', () => {
  it('has every key of every level', () => {
    const policy = parsePolicy(
      '/policy.yaml',
      `
enabled: true
max_size: 800GB
max_age: 1y
max_num: 100
check_after: 1d
keep_identified_versions: 1
eviction: lru
oci_images:
  enabled: false
  max_size: 1GiB
  eviction: oldest
files:
  max_age: 30d
  filters:
  - pattern: download\\.kiwix\\.org
    max_size: 5 GiB
    max_age: 4w
    max_num: 7
    check_after: 90d
    keep_identified_versions: 2
    eviction: largest
  - pattern: ^
    ignore: true
`,
    );
    expect(policy).toMatchObject({
      isEnabled: true,
      maxBytes: 800e9,
      maxAgeSeconds: 31_449_600,
      maxCount: 100,
      checkAfterSeconds: 86_400,
      keepIdentifiedVersions: 1,
      eviction: 'lru',
      ociImages: {isEnabled: false, maxBytes: GiB, eviction: 'oldest', filters: []},
      files: {
        isEnabled: true,
        maxBytes: undefined,
        maxAgeSeconds: 2_592_000,
        filters: [
          {
            isIgnored: false,
            maxBytes: 5 * GiB,
            maxAgeSeconds: 2_419_200,
            maxCount: 7,
            checkAfterSeconds: 7_776_000,
            keepIdentifiedVersions: 2,
            eviction: 'largest',
          },
          {isIgnored: true},
        ],
      },
    });
    expect(policy.files.filters[0]?.pattern.test('https://DOWNLOAD.kiwix.org/zim/a.zim')).toBe(true);
  });

  it.each(['', '---\n', '# nothing\n', '{}', 'files:\noci_images:\n', 'files: {filters: }', 'eviction: ""'])(
    'that says nothing (%j) is the default',
    (text) => {
      expect(parsePolicy('/policy.yaml', text)).toEqual(parsePolicy('/policy.yaml', defaultPolicyText));
    },
  );

  it('limits to 10 GiB where it says nothing, and to nothing where it says 0', () => {
    expect(parsePolicy('/policy.yaml', '').maxBytes).toBe(10 * GiB);
    expect(parsePolicy('/policy.yaml', 'max_size: 0').maxBytes).toBeUndefined();
    expect(parsePolicy('/policy.yaml', 'max_size: "0"').maxBytes).toBeUndefined();
  });

  it('reads both samples of the seed', () => {
    expect(
      problemsOf(
        '---\nenabled: true\nmax_size: 0\noci_images:\n  eviction: oldest\nfiles:\n  enabled: false\n',
      ),
    ).toEqual([]);
    expect(
      problemsOf(
        '---\nenabled: true\nmax_size: 10GiB\neviction: lru\noci_images:\n  enabled: true\n  eviction: lru\nfiles:\n  enabled: true\n  eviction: lru\n',
      ),
    ).toEqual([]);
  });

  it.each([
    ['max_size: -5', 'policy.yaml:1:11 max_size must be a size'],
    [
      'max_size: lots',
      'policy.yaml:1:11 max_size must be a size such as 10GiB or 500 MB, or 0 for no limit, found "lots"',
    ],
    ['max_size: 1.5', 'policy.yaml:1:11 max_size must be a size'],
    ['max_num: many', 'policy.yaml:1:10 max_num must be a whole number'],
    ['max_num: -1', 'policy.yaml:1:10 max_num must be a whole number'],
    ['max_age: 1h30m', 'policy.yaml:1:10 max_age must be a duration'],
    ['enabled: 1', 'policy.yaml:1:10 enabled must be true or false'],
    [
      'files:\n  eviction: fifo',
      'policy.yaml:2:13 files.eviction must be one of oldest, newest, largest, smallest, lru, found "fifo"',
    ],
    ['files: []', 'policy.yaml:1:8 files must be a mapping'],
    ['files:\n  filters: {}', 'policy.yaml:2:12 files.filters must be a list'],
    [
      'files:\n  filters:\n  - ignore: true',
      'policy.yaml:3:5 files.filters.0.pattern must be a regular expression',
    ],
    [
      'files:\n  filters:\n  - pattern: "("',
      'policy.yaml:3:14 files.filters.0.pattern is not a regular expression',
    ],
    ['max_sise: 1GB', 'policy.yaml:1:1 max_sise is not known'],
    [
      'files:\n  filters:\n  - pattern: x\n    enabled: false',
      'policy.yaml:4:5 files.filters.0.enabled is not known',
    ],
    ['- a', 'policy.yaml:1:1 the file must be a mapping'],
    ['max_size: [', 'policy.yaml:1:12 is not YAML'],
    ['max_size: 1GB\nmax_size: 2GB', 'policy.yaml:2:1 is not YAML: Map keys must be unique'],
    [
      'max_size: 1GB\nfiles:\n  max_size: 2GB',
      'policy.yaml:3:13 files.max_size is 1.86 GiB, but max_size above it allows 953.67 MiB',
    ],
    [
      'files:\n  max_size: 20GiB',
      'policy.yaml:2:13 files.max_size is 20 GiB, but max_size above it allows 10 GiB where it is not set',
    ],
    [
      'max_age: 1d\noci_images:\n  filters:\n  - pattern: x\n    max_age: 2d',
      'policy.yaml:5:14 oci_images.filters.0.max_age is 2 days',
    ],
    [
      'files:\n  max_num: 2\n  filters:\n  - pattern: x\n    max_num: 3',
      'policy.yaml:5:14 files.filters.0.max_num is 3, but files.max_num above it allows 2',
    ],
  ])('%j is refused with its place', (text, problem) => {
    expect(problemsOf(text)).toEqual([expect.stringContaining(problem)]);
  });

  it('says everything that is wrong, in the order of the file', () => {
    const lines = problemsOf('max_size: x\nmax_nun: 1\nfiles:\n  max_age: y\n').map(
      (line) => line.split(' ')[0],
    );
    expect(lines).toEqual(['policy.yaml:1:11', 'policy.yaml:2:1', 'policy.yaml:4:12']);
  });

  it('is read or refused, whatever it says', () => {
    const keys = [
      'enabled',
      'max_size',
      'max_age',
      'max_num',
      'eviction',
      'files',
      'oci_images',
      'filters',
      'pattern',
    ];
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        {depthSize: 'small'},
        fc.constantFrom(null, true, 0, -1, 1e300, '10GiB', '30d', 'lru', '', '^', '('),
        fc.array(tie('any'), {maxLength: 3}),
        fc.dictionary(fc.constantFrom(...keys), tie('any'), {maxKeys: 4}),
      ),
    })).any;
    fc.assert(
      fc.property(value, (document) => {
        const problems = problemsOf(JSON.stringify(document));
        for (const problem of problems) expect(problem).toMatch(/^policy\.yaml:\d+:\d+ /);
      }),
    );
  });
});

describe('the policy of a folder', () => {
  it('is written where there is none, with its keys explained, and left alone where there is one', async () => {
    const folder = await makeTempFolder();
    await openCache({folder});
    expect(await readFile(join(folder, 'policy.yaml'), 'utf8')).toBe(defaultPolicyText);
    await writeFile(join(folder, 'policy.yaml'), 'max_size: 1GB\n');
    expect((await openCache({folder}))?.policy.maxBytes).toBe(1e9);
    expect(await readFile(join(folder, 'policy.yaml'), 'utf8')).toBe('max_size: 1GB\n');
  });

  it('is not written when the cache is only looked at, nor is anything else', async () => {
    const folder = join(await makeTempFolder(), 'none');
    const cache = await openCacheFolder({folder, isReadOnly: true});
    expect(await cache.list()).toEqual([]);
    expect(await cache.admit([{kind: 'file', source: 'https://x/', sizeBytes: 1}])).toEqual([true]);
    expect((await cache.remains()).count).toBe(0);
    expect(await cache.prune({isDryRun: true})).toEqual([]);
    await expect(readFile(folder)).rejects.toMatchObject({code: 'ENOENT'});
  });

  it('can switch the cache off', async () => {
    const folder = await makeTempFolder();
    await writeFile(join(folder, 'policy.yaml'), 'enabled: false\n');
    expect(await openCache({folder})).toBeUndefined();
  });

  it('that cannot be written to is an error with a hint', async () => {
    const folder = await makeTempFolder();
    await writeFile(join(folder, 'file'), '');
    await expect(openCache({folder: join(folder, 'file', 'cache')})).rejects.toMatchObject({
      code: 'CACHE_UNUSABLE',
      hint: expect.stringContaining('--cache-dir') as string,
    });
    await mkdir(join(folder, 'policy.yaml'));
    await expect(openCache({folder})).rejects.toMatchObject({code: 'CACHE_UNUSABLE'});
  });
});
