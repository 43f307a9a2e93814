import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {stringify} from 'yaml';
import {descriptionJsonSchema} from '../../../../api/bundle/description-schema.ts';
import {descriptionTemplate} from '../../../../api/bundle/template.ts';
import {validateDescription} from '../../../../api/bundle/validate.ts';
import {ConfigError, formatStatement, type ConfigIssue} from '../../../../configs/config-error.ts';
import {SourceText} from '../../../../configs/source-text.ts';

/** The example of the seed document. */
const simple = `apiVersion: v1
id: test-bundle-id
name: test-bundle
version: 1.0.0
type: base
kukaLinuxVersion: '>=0.1.0'
description: Simple single container test description
containers:
  - spec:
      name: my-container-name
      image: my-image:latest
initContainers:
  - spec:
      name: my-init-container-name
      image: my-init-image:latest
`;

function validate(text: string) {
  return validateDescription(new SourceText('/project/bundle.yaml', text));
}

/** `4:10 version must be …` for everything that is wrong. */
function problemsOf(text: string): readonly string[] {
  try {
    validate(text);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.code).toBe('BUNDLE_INVALID');
    return error.issues.map(show);
  }
}

function show(issue: ConfigIssue): string {
  return `${issue.line ?? 0}:${issue.column ?? 0} ${formatStatement(issue)}`;
}

const containersFrom = (text: string) => simple.slice(0, simple.indexOf('containers:')) + text;

it('takes the simple example, and says what is unwise in it', () => {
  const {description, warnings} = validate(simple);
  expect(description).toMatchObject({id: 'test-bundle-id', version: '1.0.0', type: 'base'});
  expect(warnings.map(show)).toEqual([
    '11:14 containers[0].spec.image has the tag latest: which image that is can change; add a version or a digest',
    '13:5 initContainers[0] has no timeout: the installation waits for it for at most 10m',
    '15:14 initContainers[0].spec.image has the tag latest: which image that is can change; add a version or a digest',
  ]);
});

it('takes its own template without a warning', () => {
  const {description, warnings} = validate(descriptionTemplate({id: 'gripper', version: '1.2.3-rc.1'}));
  expect(description).toMatchObject({id: 'gripper', version: '1.2.3-rc.1'});
  expect(warnings).toEqual([]);
});

describe('a required field that is not set', () => {
  it.each([
    ['apiVersion: v1\n', '1:1 required field [apiVersion] is not set'],
    ['id: test-bundle-id\n', '1:1 required field [id] is not set'],
    ['name: test-bundle\n', '1:1 required field [name] is not set'],
    ['version: 1.0.0\n', '1:1 required field [version] is not set'],
    ['type: base\n', '1:1 required field [type] is not set'],
    ["kukaLinuxVersion: '>=0.1.0'\n", '1:1 required field [kukaLinuxVersion] is not set'],
    ['      image: my-image:latest\n', '9:5 required field [container.spec.image] is not set'],
    ['      name: my-container-name\n', '9:5 required field [container.spec.name] is not set'],
    ['      image: my-init-image:latest\n', '13:5 required field [initContainer.spec.image] is not set'],
  ])('is named as the update agent names it: without %j', (line, expected) => {
    expect(problemsOf(simple.replace(line, ''))).toEqual([expected]);
  });

  it('may be there without a value, or empty', () => {
    expect(problemsOf(simple.replace('id: test-bundle-id', 'id:'))).toEqual([
      '2:1 required field [id] is not set',
    ]);
    expect(problemsOf(simple.replace('id: test-bundle-id', "id: ''"))).toEqual([
      '2:1 required field [id] is not set',
    ]);
  });

  it('of a volume', () => {
    const text = containersFrom(
      'containers: [{spec: {name: a, image: "a:1", volumes: [{name: v}]}}]\nvolumes: [{name: v}]',
    );
    expect(problemsOf(text)).toEqual([
      '8:56 required field [container.spec.volume.dest] is not set',
      '9:12 required field [volume.hostPath] is not set',
    ]);
  });
});

describe('a wrong value', () => {
  it.each([
    ['version: 1.0.0', 'version: 1.0', '4:10 version must be a text: put it in quotes, found 1'],
    [
      'version: 1.0.0',
      'version: v1.0.0',
      '4:10 version must be a SemVer version with three parts, such as 1.0.0, found "v1.0.0"',
    ],
    [
      'version: 1.0.0',
      'version: 1.00.0',
      '4:10 version must be a SemVer version with three parts, such as 1.0.0, found "1.00.0"',
    ],
    [
      'id: test-bundle-id',
      'id: test_bundle',
      '2:5 id must be letters, digits and "-" only, found "test_bundle"',
    ],
    ['type: base', 'type: bse', '5:7 type must be "base" or "addon", found "bse"'],
    ['apiVersion: v1', 'apiVersion: v2', '1:13 apiVersion must be "v1", found "v2"'],
    [
      "'>=0.1.0'",
      "'=>0.1.0'",
      '6:19 kukaLinuxVersion must be a range of versions such as ">=0.1.0", found "=>0.1.0"',
    ],
    ["'>=0.1.0'", '>=0.1.0', '6:20 what starts with ">" or "|" must stand in quotes'],
    [
      'description: Simple',
      'descripton: Simple',
      '7:1 a description has no field "descripton", did you mean "description"?',
    ],
    [
      'my-image:latest',
      'My-Image:latest',
      '11:14 containers[0].spec.image must be an image reference such as registry.example/app:1.2.0, found "My-Image:latest"',
    ],
    ['type: base', 'type: base\ntype: addon', '6:1 duplicate key: it is already there'],
  ])('%j → %j', (right, wrong, expected) => {
    expect(problemsOf(simple.replace(right, wrong))).toEqual([expected]);
  });

  it.each([
    ['privileged: true', '8:41 containers[0].spec has no field "privileged", known are name, image'],
    ['restart: sometimes', '8:50 containers[0].spec.restart must be no, always, unless-stopped'],
    ['maxMemory: 1GiB', '8:52 containers[0].spec.maxMemory must be a size such as 512m or 2g, found "1GiB"'],
    ['dns: [nowhere]', '8:47 containers[0].spec.dns[0] must be an IP address, found "nowhere"'],
    ['cmd: run', '8:46 containers[0].spec.cmd must be a list, found "run"'],
    ['tty: "yes"', '8:46 containers[0].spec.tty must be true or false, found "yes"'],
    ['workingDir: app', '8:53 containers[0].spec.workingDir must be an absolute path, found "app"'],
  ])('of a flag: %s', (field, expected) => {
    const [found] = problemsOf(containersFrom(`containers: [{spec: {name: a, image: a, ${field}}}]`));
    expect(found?.startsWith(expected), found).toBe(true);
  });

  it('of a path of the host', () => {
    const text = `${simple}volumes: [{name: v, hostPath: /opt/../etc}, {name: w, hostPath: opt}]\n`;
    expect(problemsOf(text)).toEqual([
      '16:31 volumes[0].hostPath must be an absolute path without "..", found "/opt/../etc"',
      '16:65 volumes[1].hostPath must be an absolute path without "..", found "opt"',
    ]);
  });
});

describe('what belongs together', () => {
  it('is checked in one go with the single fields', () => {
    const text = containersFrom(`volumes: [{name: data, hostPath: opt}]
containers:
  - spec: {name: a, image: 'i:1', volumes: [{name: dta, dest: /x}]}
    requires: [a]
  - spec: {name: b, image: 'i:1'}
    requires: [c]
  - spec: {name: c, image: 'i:1'}
    requires: [b, d, i]
  - spec: {name: c}
initContainers:
  - {spec: {name: i, image: 'i:1'}, timeout: soon}
`);
    expect(problemsOf(text)).toEqual([
      '8:34 volumes[0].hostPath must be an absolute path without "..", found "opt"',
      '10:52 containers[0].spec.volumes[0].name is not declared in volumes at the root: "dta", did you mean "data"?',
      '11:16 containers[0].requires[0] makes the container wait for itself: a → a',
      '13:16 containers[1].requires[0] closes a cycle, in which no container can start: b → c → b',
      '15:19 containers[2].requires[1] names no container of this bundle: "d"',
      '15:22 containers[2].requires[2] names an init container, which has ended by then: "i"',
      '16:5 required field [container.spec.image] is not set',
      '16:18 containers[3].spec.name is already the name of containers[2]: "c"',
      '18:46 initContainers[0].timeout must be a duration such as 90s, 10m or 1h30m, found "soon"',
    ]);
  });

  it('a bundle without containers is an error', () => {
    const message = '1:1 the bundle has neither containers nor initContainers: it would do nothing';
    expect(problemsOf(containersFrom(''))).toEqual([message]);
    expect(problemsOf(containersFrom('containers: []'))).toEqual([message]);
  });

  it('requires of an init container has no effect', () => {
    const text = containersFrom(
      'initContainers: [{spec: {name: a, image: "a:1"}, timeout: 1m, requires: [b]}]',
    );
    expect(validate(text).warnings.map(show)).toEqual([
      '8:63 initContainers[0].requires has no effect: init containers run one after the other',
    ]);
  });
});

describe('hostile text', () => {
  it.each([
    ['', '1:1 the file is empty'],
    ['- a', '1:1 the file must be a map of fields, starting with apiVersion: v1'],
    ['a: b\n---\nc: d', '2:1 the file must hold one document; here a second one starts'],
    ['? [a]\n: b', '1:3 a key must be a name'],
    ['a: *nowhere', '1:4 there is no anchor &nowhere'],
  ])('%j', (text, expected) => {
    expect(problemsOf(text)[0]?.startsWith(expected), problemsOf(text)[0]).toBe(true);
  });

  it('aliases do not blow up', () => {
    const levels = Array.from({length: 20}, (_, i) => `l${i + 1}: &l${i + 1} [*l${i}, *l${i}, *l${i}]`);
    const text = ['l0: &l0 [a, a, a]', ...levels].join('\n');
    expect(problemsOf(text).join('\n')).toMatch(/far too many values|levels deep/);
  });

  it('an alias inside its own anchor ends', () => {
    expect(problemsOf('a: &a [*a]').join('\n')).toMatch(/levels deep|far too many|not YAML/);
  });

  it('names of the language are names like any other', () => {
    expect(problemsOf(`${simple}__proto__: {}\nconstructor: 1\n`)).toEqual([
      expect.stringContaining('a description has no field "__proto__"'),
      expect.stringContaining('a description has no field "constructor"'),
    ]);
  });

  it('any text is judged and never a crash', () => {
    fc.assert(
      fc.property(fc.string({unit: fc.constantFrom(...'ab: -[]{}\n"\'&*!|>#?%@`,\t0'.split(''))}), (text) => {
        expect(problemsOf(text)).not.toEqual([]);
      }),
    );
  });

  it('any value in any field is judged and never a crash', () => {
    const fields = ['id', 'version', 'type', 'volumes', 'containers', 'initContainers', 'kukaLinuxVersion'];
    fc.assert(
      fc.property(fc.constantFrom(...fields), fc.jsonValue({maxDepth: 3}), (field, value) => {
        const base = {
          apiVersion: 'v1',
          id: 'a',
          name: 'a',
          version: '1.0.0',
          type: 'base',
          kukaLinuxVersion: '*',
        };
        problemsOf(stringify({...base, [field]: value}));
      }),
    );
  });
});

it('the JSON Schema knows every field and its meaning', () => {
  const schema = descriptionJsonSchema() as {
    properties: Record<string, {description?: string}>;
    required: string[];
  };
  expect(schema.required).toEqual(['apiVersion', 'id', 'name', 'version', 'type', 'kukaLinuxVersion']);
  for (const [name, {description}] of Object.entries(schema.properties))
    expect(description, name).toBeTruthy();
  expect(
    () => new RegExp(String((schema.properties['version'] as {pattern?: string}).pattern)),
  ).not.toThrow();
});
