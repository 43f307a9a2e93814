import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {
  canonicalJson,
  contentDigest,
  explainDifference,
  fingerprint,
  FingerprintInputs,
  fingerprintInputs,
  type FingerprintContext,
} from '../../../../api/pipeline/fingerprint.ts';
import {makeEntry, makeSetting, makeStep} from './step-rig.ts';

const digest = fc.stringMatching(/^[0-9a-f]{64}$/);
const name = fc.stringMatching(/^[a-z][a-z_]{0,11}$/);

const inputs: fc.Arbitrary<FingerprintInputs> = fc.record({
  format: fc.constant(1 as const),
  step: name,
  contract: fc.nat(9),
  buildImage: digest,
  baseImage: digest,
  command: fc.array(fc.string(), {minLength: 1, maxLength: 3}),
  settings: fc.dictionary(name, fc.record({field: fc.string(), value: fc.string()}), {maxKeys: 5}),
  inputs: fc.dictionary(name, digest, {maxKeys: 3}),
  epoch: fc.nat(),
  list: digest,
  previous: digest,
});

/** The same value with the keys of every object the other way round. */
function reversed(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, child]) => [key, reversed(child)]),
  );
}

/** Every path to a text or a number in a value. */
function leavesOf(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (value === null || typeof value !== 'object') return [path];
  return Object.entries(value).flatMap(([key, child]) => leavesOf(child, [...path, key]));
}

/** The value with one character of the text, or the number, at a path changed. */
function changedAt(value: unknown, [key, ...rest]: readonly string[], at: number): unknown {
  if (key !== undefined) {
    const copy = Array.isArray(value) ? [...(value as unknown[])] : {...(value as object)};
    (copy as Record<string, unknown>)[key] = changedAt((value as Record<string, unknown>)[key], rest, at);
    return copy;
  }
  if (typeof value === 'number') return value + 1;
  const text = String(value);
  const position = at % (text.length + 1);
  const other = text[position] === 'x' ? 'y' : 'x';
  return text.slice(0, position) + other + text.slice(position + 1);
}

describe('fingerprint', () => {
  it('does not depend on the order in which keys were added', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        expect(fingerprint(reversed(given) as FingerprintInputs)).toBe(fingerprint(given));
      }),
    );
  });

  it('is another one for any one-character change of any value', () => {
    fc.assert(
      fc.property(inputs, fc.nat(), fc.nat(), (given, whichLeaf, whichCharacter) => {
        const leaves = leavesOf(given);
        const path = leaves[whichLeaf % leaves.length] ?? [];
        const changed = changedAt(given, path, whichCharacter) as FingerprintInputs;
        expect(fingerprint(changed)).not.toBe(fingerprint(given));
      }),
    );
  });

  it('is another one when a setting moves to another variable, or a value to the next argument', () => {
    const given = (settings: FingerprintInputs['settings'], command: string[]): FingerprintInputs => ({
      format: 1,
      step: 's',
      contract: 1,
      buildImage: '',
      baseImage: '',
      command,
      settings,
      inputs: {},
      epoch: 0,
    });
    const prints = [
      given({A: {field: 'f', value: 'x'}}, ['a', 'b']),
      given({B: {field: 'f', value: 'x'}}, ['a', 'b']),
      given({A: {field: 'f', value: 'x'}}, ['ab']),
      given({A: {field: 'f', value: 'x'}}, ['a', '', 'b']),
      given({A: {field: 'f', value: 'x'}}, ['b', 'a']),
    ].map(fingerprint);
    expect(new Set(prints).size).toBe(prints.length);
  });

  it('survives a trip through the store as JSON', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        const read = FingerprintInputs.parse(JSON.parse(JSON.stringify(given)));
        expect(fingerprint(read)).toBe(fingerprint(given));
      }),
    );
  });

  // Known by heart, so that a change of the canonical form cannot go unnoticed: raise fingerprintFormat with it.
  it('has not changed its meaning', () => {
    const step = makeStep({settings: [makeSetting('HOSTNAME', 'black-pearl')], inputs: ['packages']});
    const context = {
      buildImage: 'b',
      baseImage: 'a',
      epoch: 1_700_000_000,
      inputs: new Map([
        ['packages', makeEntry({files: [{name: 'x', sizeBytes: 1, sha256: '0'.repeat(64)}]})],
      ]),
    };
    expect(canonicalJson(fingerprintInputs(step, context))).toBe(
      '{"baseImage":"a","buildImage":"b","command":["/builder/build.sh"],"contract":1,"epoch":1700000000,"format":1,' +
        '"inputs":{"packages":"891ca118903f2cfaff3fbf167c86eaa41048082b74034436d5c051e5a78278ac"},' +
        '"settings":{"HOSTNAME":{"field":"root_fs.hostname","value":"black-pearl"}},"step":"root_fs"}',
    );
  });
});

describe('fingerprintInputs', () => {
  const context = (given: Partial<FingerprintContext> = {}): FingerprintContext => ({
    buildImage: 'b',
    baseImage: 'a',
    epoch: 0,
    inputs: new Map(),
    ...given,
  });

  it('gives the same fingerprint for settings and inputs in any order', () => {
    const variables = fc.uniqueArray(name, {minLength: 1, maxLength: 6});
    fc.assert(
      fc.property(variables, fc.array(fc.string(), {minLength: 6, maxLength: 6}), (names, values) => {
        const settings = names.map((variable, i) => makeSetting(variable, values[i] ?? '', i % 2 === 1));
        const entries = names.map(
          (input, i) =>
            [input, makeEntry({files: [{name: values[i] ?? '', sizeBytes: i, sha256: 'a'}]})] as const,
        );
        const one = fingerprintInputs(makeStep({settings}), context({inputs: new Map(entries)}));
        const other = fingerprintInputs(
          makeStep({settings: settings.toReversed()}),
          context({inputs: new Map(entries.toReversed())}),
        );
        expect(fingerprint(other)).toBe(fingerprint(one));
      }),
    );
  });

  it('never has a secret in it, and yet tells secrets apart', () => {
    const secret = fc.string({minLength: 8, maxLength: 80});
    fc.assert(
      fc.property(secret, secret, (one, other) => {
        const collected = (value: string) =>
          fingerprintInputs(makeStep({settings: [makeSetting('PASSWORD', value, true)]}), context());
        const json = JSON.stringify(collected(one));
        expect(json).not.toContain(JSON.stringify(one).slice(1, -1));
        expect(json).not.toContain(Buffer.from(one).toString('base64'));
        expect(fingerprint(collected(one)) === fingerprint(collected(other))).toBe(one === other);
      }),
    );
  });

  it('says of two secrets of the same value in two variables nothing in common', () => {
    const {settings} = fingerprintInputs(
      makeStep({settings: [makeSetting('A', 'same', true), makeSetting('B', 'same', true)]}),
      context(),
    );
    expect(settings['A']?.value).not.toBe(settings['B']?.value);
  });

  it('leaves out what cannot change the bytes: description, name of the image, limits', () => {
    const one = fingerprintInputs(makeStep(), context());
    const other = fingerprintInputs(
      makeStep({description: 'other', imageName: 'other:1', memoryBytes: 1, network: true}),
      context(),
    );
    expect(other).toEqual(one);
  });

  it('looks at the content of an input and not at how it came about', () => {
    const files = [{name: 'x', sizeBytes: 1, sha256: '1'.repeat(64)}];
    const withInput = (entry: ReturnType<typeof makeEntry>) =>
      fingerprint(fingerprintInputs(makeStep(), context({inputs: new Map([['packages', entry]])})));
    const before = withInput(makeEntry({files}));
    expect(withInput(makeEntry({files, fingerprint: 'e'.repeat(64), createdAt: 'later'}))).toBe(before);
    expect(withInput(makeEntry({files: [{name: 'x', sizeBytes: 1, sha256: '2'.repeat(64)}]}))).not.toBe(
      before,
    );
  });
});

describe('contentDigest', () => {
  it('does not depend on the order of the files, but on their names and contents', () => {
    const [a, b] = [
      {name: 'a', sizeBytes: 1, sha256: '1'},
      {name: 'b', sizeBytes: 2, sha256: '2'},
    ];
    expect(contentDigest({files: [b, a]})).toBe(contentDigest({files: [a, b]}));
    expect(contentDigest({files: [{...a, name: 'c'}, b]})).not.toBe(contentDigest({files: [a, b]}));
    // Contents that change places are another content.
    expect(
      contentDigest({
        files: [
          {...a, sha256: '2'},
          {...b, sha256: '1'},
        ],
      }),
    ).not.toBe(contentDigest({files: [a, b]}));
  });
});

describe('canonicalJson', () => {
  it('is the same for every order of keys, at every depth', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(canonicalJson(reversed(value))).toBe(canonicalJson(value));
      }),
    );
  });

  it('loses nothing: what it wrote is read as what it got', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('keeps the order of lists', () => {
    expect(canonicalJson([2, 1, {b: 1, a: [3, 2]}])).toBe('[2,1,{"a":[3,2],"b":1}]');
  });

  it('takes keys that every object has, and numbers, for keys like others', () => {
    expect(canonicalJson(JSON.parse('{"b":1,"__proto__":2,"constructor":3}'))).toBe(
      '{"__proto__":2,"b":1,"constructor":3}',
    );
    expect(canonicalJson({10: 'a', 9: 'b', a: 1})).toBe(canonicalJson({a: 1, 9: 'b', 10: 'a'}));
  });
});

describe('explainDifference', () => {
  const base: FingerprintInputs = {
    format: 1,
    step: 'root_fs',
    contract: 1,
    buildImage: 'b',
    baseImage: 'a',
    command: ['/builder/build.sh'],
    settings: {
      HYPRIOT_HOSTNAME: {field: 'root_fs.hostname', value: 'black-pearl'},
      HYPRIOT_PASSWORD: {field: 'root_fs.password', value: 'secret:1'},
    },
    inputs: {'root_fs.packages': '1'},
    epoch: 1_700_000_000,
  };

  it('says nothing when nothing differs', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        expect(explainDifference(given, structuredClone(given))).toEqual([]);
      }),
    );
  });

  it('says something whenever anything but the name of a field differs', () => {
    fc.assert(
      fc.property(inputs, fc.nat(), fc.nat(), (given, whichLeaf, whichCharacter) => {
        const leaves = leavesOf(given).filter(
          (path) => !['format', 'step'].includes(path[0] ?? '') && path.at(-1) !== 'field',
        );
        const path = leaves[whichLeaf % leaves.length] ?? [];
        const changed = changedAt(given, path, whichCharacter) as FingerprintInputs;
        expect(explainDifference(given, changed)).toHaveLength(1);
      }),
    );
  });

  it.each<[string, Partial<FingerprintInputs>, string[]]>([
    [
      'a setting, by its field',
      {settings: {...base.settings, HYPRIOT_HOSTNAME: {field: 'root_fs.hostname', value: 'reef'}}},
      ['root_fs.hostname "black-pearl" → "reef"'],
    ],
    [
      'a secret, without its value',
      {settings: {...base.settings, HYPRIOT_PASSWORD: {field: 'root_fs.password', value: 'secret:2'}}},
      ['root_fs.password (secret) → (secret)'],
    ],
    [
      'a setting that is new',
      {settings: {...base.settings, SUITE: {field: 'root_fs.suite', value: 'trixie'}}},
      ['root_fs.suite (not set) → "trixie"'],
    ],
    [
      'a setting that is gone',
      {settings: {HYPRIOT_PASSWORD: {field: 'root_fs.password', value: 'secret:1'}}},
      ['root_fs.hostname "black-pearl" → (not set)'],
    ],
    [
      'a field that is told in two variables, for each',
      {
        settings: {
          ...base.settings,
          HYPRIOT_HOSTNAME: {field: 'root_fs.hostname', value: 'reef'},
          OTHER: {field: 'root_fs.hostname', value: 'reef'},
        },
      },
      ['root_fs.hostname "black-pearl" → "reef"', 'root_fs.hostname (not set) → "reef"'],
    ],
    ['an input', {inputs: {'root_fs.packages': '2'}}, ['root_fs.packages 1 → 2']],
    ['an input that is gone', {inputs: {}}, ['root_fs.packages 1 → (none)']],
    ['the base image', {baseImage: 'c'}, ['base image a → c']],
    [
      'the build image, by the first digits of its digest',
      {buildImage: `${'0123456789ab'.repeat(5)}cdef`},
      ['build image b → 0123456789ab'],
    ],
    ['the command', {command: ['/builder/other.sh']}, ['command /builder/build.sh → /builder/other.sh']],
    ['the contract', {contract: 2}, ['hypriotkit builds this step differently now: contract 1 → 2']],
    ['the list that the lock has', {list: 'x'}, ['list in the lock (none) → x']],
    ['the list to stay close to', {previous: 'x'}, ['list to stay close to (none) → x']],
    ['the epoch', {epoch: 1_700_000_001}, ['SOURCE_DATE_EPOCH 1700000000 → 1700000001']],
  ])('names %s', (_, change, sentences) => {
    expect(explainDifference(base, {...base, ...change})).toEqual(sentences);
  });

  it('shows of two long lists what only one of them has', () => {
    const list = (...names: string[]) => ({
      settings: {
        PACKAGES: {
          field: 'root_fs.packages',
          value: [...'abcdefghijklmnopqrstuvwxyz', ...names].join('-package '),
        },
      },
    });
    const reasons = explainDifference({...base, ...list('z', 'less')}, {...base, ...list('z', 'more')});
    expect(reasons).toEqual(['root_fs.packages "… less …" → "… more …"']);
    expect(explainDifference({...base, ...list()}, {...base, ...list('more')})).toEqual([
      'root_fs.packages "… z …" → "… z-package more …"',
    ]);
  });

  it('does not compare what is not known yet', () => {
    expect(explainDifference(base, {...base, inputs: {}}, ['root_fs.packages'])).toEqual([]);
  });

  it('keeps a value with quotes and newlines on one line', () => {
    const settings = {A: {field: 'f', value: 'a"b\nc'}};
    expect(explainDifference({...base, settings: {}}, {...base, settings})).toContain(
      'f (not set) → "a\\"b\\nc"',
    );
  });
});
