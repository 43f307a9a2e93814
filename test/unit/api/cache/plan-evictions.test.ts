import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {compareVersions, identifyVersion} from '../../../../api/cache/identified-version.ts';
import {planEvictions, type EvictionItem} from '../../../../api/cache/plan-evictions.ts';
import {parsePolicy} from '../../../../api/cache/policy-file.ts';

const now = Date.parse('2026-11-21T00:00:00Z');
const daysAgo = (days: number): string => new Date(now - days * 86_400_000).toISOString();

function item(
  source: string,
  more: Partial<EvictionItem> & {readonly added?: number; readonly used?: number} = {},
): EvictionItem {
  const {sizeBytes = 10, added = 1, used = added, ...rest} = more;
  return {
    kind: 'file',
    source,
    sizeBytes,
    blobs: [{sha256: source, sizeBytes}],
    addedOn: daysAgo(added),
    lastUsedOn: daysAgo(used),
    isPinned: false,
    ...rest,
  };
}

function evicted(policy: string, items: readonly EvictionItem[]): string[] {
  const planned = planEvictions(parsePolicy('/policy.yaml', policy), items, now);
  return planned.map(({item: {source}, reason}) => `${source} ${reason.split(':')[0] ?? ''}`);
}

describe('a strategy means what its name says', () => {
  // Sizes, ages and uses in different orders, so that each strategy has another favourite.
  const items = [
    item('a', {sizeBytes: 20, added: 9, used: 1}),
    item('b', {sizeBytes: 30, added: 5, used: 5}),
    item('c', {sizeBytes: 10, added: 1, used: 3}),
  ];

  it.each([
    ['oldest', 'a'],
    ['newest', 'c'],
    ['largest', 'b'],
    ['smallest', 'c'],
    ['lru', 'b'],
  ])('%s: %s goes', (strategy, gone) => {
    expect(evicted(`{max_num: 2, eviction: ${strategy}}`, items)).toEqual([`${gone} max_num`]);
    expect(evicted(`{files: {max_num: 2, eviction: ${strategy}}}`, items)).toEqual([`${gone} files.max_num`]);
    expect(evicted(`{files: {filters: [{pattern: ^, max_num: 2, eviction: ${strategy}}]}}`, items)).toEqual([
      `${gone} files.filters[0].max_num`,
    ]);
  });
});

describe('the order of the rules', () => {
  it('is: images before files, filters before their level, the main limits last', () => {
    const items = [
      item('https://x/main', {added: 100}),
      item('https://x/level', {added: 20}),
      item('https://x/filter', {added: 20}),
      item('image', {kind: 'oci_image', added: 100}),
      item('repository', {kind: 'git', added: 100}),
    ];
    const policy = `
max_age: 50d
oci_images: {max_age: 40d}
files: {max_age: 30d, filters: [{pattern: filter, max_age: 10d}]}`;
    expect(evicted(policy, items)).toEqual([
      'image oci_images.max_age',
      'https://x/filter files.filters[0].max_age',
      'https://x/main files.max_age',
      'repository max_age',
    ]);
  });

  it('gives an entry to the first filter that matches', () => {
    const policy = 'files: {filters: [{pattern: a}, {pattern: ^, ignore: true}]}';
    expect(evicted(policy, [item('a1'), item('b1')])).toEqual(['b1 files.filters[1].ignore']);
  });

  it('does not count above what a lower level has evicted', () => {
    const policy = '{max_size: 20, files: {filters: [{pattern: x, max_num: 1}]}}';
    const items = [item('x1', {used: 1}), item('x2', {used: 2}), item('y', {used: 3})];
    expect(evicted(policy, items)).toEqual(['x2 files.filters[0].max_num']);
  });

  it('lets a smaller one stay after a larger one did not fit', () => {
    const items = [item('a', {used: 1}), item('b', {used: 2, sizeBytes: 100}), item('c', {used: 3})];
    expect(evicted('max_size: 25', items)).toEqual(['b max_size']);
  });

  it('drops everything of a level that is switched off', () => {
    expect(evicted('files: {enabled: false}', [item('a'), item('i', {kind: 'oci_image'})])).toEqual([
      'a files.enabled',
    ]);
    expect(evicted('oci_images: {enabled: false}', [item('a'), item('i', {kind: 'oci_image'})])).toEqual([
      'i oci_images.enabled',
    ]);
  });
});

it('a layer that two images share counts once', () => {
  const base = {sha256: 'base', sizeBytes: 80};
  const image = (name: string): EvictionItem =>
    item(name, {kind: 'oci_image', sizeBytes: 90, blobs: [base, base, {sha256: name, sizeBytes: 10}]});
  expect(evicted('max_size: 100', [image('one'), image('two')])).toEqual([]);
  expect(evicted('max_size: 99', [image('one'), image('two')])).toEqual(['two max_size']);
});

describe('keep_identified_versions', () => {
  it.each([
    ['file', 'https://x/zim/wikipedia_fr_2026-11.zim', 'wikipedia_fr', '2026-11'],
    ['file', 'https://x/wikipedia_fr_all_2026-01a.zim.meta4?x=1', 'wikipedia_fr_all', '2026-01a'],
    ['oci_image', 'ghcr.io/offspot/kiwix-serve:3.5.0', 'ghcr.io/offspot/kiwix-serve', '3.5.0'],
    ['oci_image', 'localhost:5000/a/b:1@sha256:00', 'localhost:5000/a/b', '1'],
  ] as const)('knows the version of %s %s', (kind, source, name, version) => {
    expect(identifyVersion({kind, source})).toEqual({name, version});
  });

  it.each([
    ['file', 'https://x/base-1.2.img.xz'],
    ['oci_image', 'localhost:5000/a/b'],
    ['oci_image', 'ghcr.io/a/b@sha256:00'],
    ['git', 'https://x/y_2026-11.zim'],
  ] as const)('finds none in %s %s', (kind, source) => {
    expect(identifyVersion({kind, source})).toBeUndefined();
  });

  it('keeps the highest ones of each, by number', () => {
    const image = (version: string) => item(`x/kiwix:${version}`, {kind: 'oci_image'});
    const items = [...['1.9', '1.10', '1.2'].map(image), item('x/other:1', {kind: 'oci_image'})];
    expect(evicted('oci_images: {keep_identified_versions: 1}', items)).toEqual([
      'x/kiwix:1.2 oci_images.keep_identified_versions',
      'x/kiwix:1.9 oci_images.keep_identified_versions',
    ]);
  });

  it('orders versions totally', () => {
    const version = fc.string({unit: fc.constantFrom(...Array.from('0129.-ab')), maxLength: 8});
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        expect(Math.sign(compareVersions(a, b))).toBe(-Math.sign(compareVersions(b, a)) || 0);
        if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) {
          expect(compareVersions(a, c)).toBeLessThanOrEqual(0);
        }
      }),
    );
  });
});

describe('whatever is in a cache', () => {
  const strategy = fc.constantFrom('oldest', 'newest', 'largest', 'smallest', 'lru');
  const limits = fc.record({
    max_size: fc.nat({max: 60}),
    max_age: fc.nat({max: 20}).map((days) => `${days}d`),
    max_num: fc.nat({max: 6}),
    eviction: strategy,
  });
  const anyItem = fc.record({
    kind: fc.constantFrom('file' as const, 'oci_image' as const, 'git' as const),
    name: fc.constantFrom('a', 'b', 'c'),
    sizeBytes: fc.nat({max: 30}),
    added: fc.nat({max: 30}),
    used: fc.nat({max: 30}),
    isPinned: fc.boolean(),
  });
  const anyItems = fc
    .array(anyItem, {maxLength: 12})
    .map((list) => list.map(({name, ...more}, index) => item(`${name}${index}`, more)));

  it('the main limits hold for what stays, and what stays is not touched again', () => {
    fc.assert(
      fc.property(limits, anyItems, (main, items) => {
        const policy = parsePolicy('/policy.yaml', JSON.stringify(main));
        const gone = new Set(planEvictions(policy, items, now).map(({item: one}) => one));
        const stays = items.filter((one) => !gone.has(one));
        expect([...gone].some(({isPinned}) => isPinned)).toBe(false);
        const free = stays.filter(({isPinned}) => !isPinned);
        if (free.length > 0) {
          const bytes = stays.reduce((sum, {sizeBytes}) => sum + sizeBytes, 0);
          // What is in use may be too much by itself; then nothing with a size is kept beside it.
          const pinned = stays
            .filter(({isPinned}) => isPinned)
            .reduce((sum, {sizeBytes}) => sum + sizeBytes, 0);
          expect(bytes).toBeLessThanOrEqual(Math.max(policy.maxBytes ?? Infinity, pinned));
          expect(stays.length).toBeLessThanOrEqual(policy.maxCount ?? Infinity);
        }
        for (const {addedOn} of free) {
          expect((now - Date.parse(addedOn)) / 1000).toBeLessThanOrEqual(policy.maxAgeSeconds ?? Infinity);
        }
        expect(planEvictions(policy, stays, now)).toEqual([]);
      }),
    );
  });

  it('nothing goes that would have fitted', () => {
    fc.assert(
      fc.property(limits, anyItems, (main, items) => {
        const policy = parsePolicy('/policy.yaml', JSON.stringify({...main, max_age: 0}));
        const planned = planEvictions(policy, items, now);
        const gone = new Set(planned.map(({item: one}) => one));
        const stays = items.filter((one) => !gone.has(one));
        const bytes = stays.reduce((sum, {sizeBytes}) => sum + sizeBytes, 0);
        for (const {item: one} of planned) {
          const fits =
            bytes + one.sizeBytes <= (policy.maxBytes ?? Infinity) &&
            stays.length + 1 <= (policy.maxCount ?? Infinity);
          expect(fits).toBe(false);
        }
      }),
    );
  });

  it('each level is within its limits, and goes with the reason of its own', () => {
    fc.assert(
      fc.property(limits, limits, anyItems, (level, filter, items) => {
        const document = {max_size: 0, files: {...level, filters: [{pattern: '^a', ...filter}]}};
        // A filter that allows more than its level is refused, and nothing to apply.
        let policy;
        try {
          policy = parsePolicy('/policy.yaml', JSON.stringify(document));
        } catch {
          return;
        }
        const planned = planEvictions(policy, items, now);
        expect(planned.every(({item: {kind}}) => kind === 'file')).toBe(true);
        expect(planned.every(({reason}) => reason.startsWith('files.'))).toBe(true);
        for (const {item: one, reason} of planned) {
          if (reason.startsWith('files.filters')) expect(one.source.startsWith('a')).toBe(true);
        }
        expect(new Set(planned.map(({item: one}) => one)).size).toBe(planned.length);
      }),
    );
  });
});
