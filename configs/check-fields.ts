import {getNodeValue, type Node} from 'jsonc-parser';
import type {z} from 'zod';
import {mergeConfigs} from './merge.ts';
import {findNearestName} from './nearest-name.ts';
import {keyAt, nodeAt} from './node-at.ts';
import {findBrokenRules, type BrokenRule, type FieldPath} from './rules.ts';
import {UserConfigs, type ComponentName, type Configs} from './schema.ts';
import {isSecretName, mask} from './secrets.ts';
import {quote, type Problem} from './source-text.ts';
import {describe, kernelBranchAlias, type UserFile, type WrittenField} from './user-file.ts';

/** The fields that have an effect only with `source: "git"`. */
const gitOnlyFields: Partial<Record<ComponentName, readonly string[]>> = {
  rpi_bootloader: ['firmware_repo'],
  rpi_kernel: ['kernel_repo', 'branch', kernelBranchAlias, 'defconfig', 'kernel_config', 'ccache'],
};

/** What the fields of a user's file are worth. */
export interface CheckedFields {
  /** Without the fields that have a problem. */
  readonly configs: UserConfigs;
  /** In no particular order. */
  readonly problems: readonly Problem[];
}

/** Checks the values of all fields, one by one and against each other. */
export function checkFields(file: UserFile, defaults: Configs): CheckedFields {
  // One problem for each value: the first is the one that explains most.
  const problems = new Map<Node, Problem>();
  const wrong = new Set<WrittenField>();
  for (const field of file.fields) {
    const problem = repeatsTwin(file, field) ?? withoutEffect(file, field, defaults);
    if (problem !== undefined) {
      problems.set(field.value, problem);
      wrong.add(field);
    }
  }
  const value = file.toValue();
  for (const issue of UserConfigs.safeParse(value).error?.issues ?? []) {
    const [component, name, ...rest] = issue.path;
    const field = file.findField(component as ComponentName, String(name));
    if (field === undefined) {
      throw new Error(`zod reports a field that is not in the file: ${issue.path.join('.')}`);
    }
    const node = nodeAt(field.value, rest);
    wrong.add(field);
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys)
        problems.set(keyAt(node, key) ?? node, unknownKey(field, rest, node, key));
    } else if (!problems.has(node)) {
      problems.set(node, wrongValue(field, issue, node));
    }
  }
  for (const {component, name} of wrong) {
    delete value[component]?.[name];
  }
  const configs = UserConfigs.parse(value);
  const {components, requested} = mergeConfigs(defaults, configs);
  const broken = findBrokenRules(components, requested)
    // A rule that looked at a default in the place of a wrong value has nothing to say.
    .filter((rule) => !writtenFields(file, rule).some((field) => wrong.has(field)))
    .map((rule) => brokenRule(file, rule));
  return {configs, problems: [...problems.values(), ...broken]};
}

/** The later one of two names for the same field. */
function repeatsTwin(file: UserFile, {component, name, key}: WrittenField): Problem | undefined {
  const twin = {branch: kernelBranchAlias, [kernelBranchAlias]: 'branch'}[name];
  const other = twin === undefined ? undefined : file.findField(component, twin);
  if (other === undefined || other.key.offset > key.offset) return undefined;
  const message = `is another name for ${other.name}, which is there too: keep one of them`;
  return {span: key, message: `${component}.${name} ${message}`};
}

/** A field of one source while the files come from the other. */
function withoutEffect(file: UserFile, field: WrittenField, defaults: Configs): Problem | undefined {
  const {component, name, key} = field;
  if (!gitOnlyFields[component]?.includes(name) || isDefault(field, defaults)) return undefined;
  if (file.findField(component, 'source')?.value.value === 'git') return undefined;
  const message = 'has an effect only with source: "git": add that, or remove this';
  return {span: key, message: `${component}.${name} ${message}`};
}

function wrongValue({component, name, value}: WrittenField, issue: z.core.$ZodIssue, node: Node): Problem {
  const path = pathText([component, name, ...issue.path.slice(2)]);
  const inside = issue.path.slice(2);
  if (inside.length > 0 && !leadsTo(value, inside)) {
    return {span: node, message: `${path} is missing: it ${issue.message}`, ...expectation(issue.message)};
  }
  const known = issue.code === 'invalid_value' ? issue.values.map(String) : [];
  const suggestion = node.type === 'string' ? findNearestName(String(node.value), known) : undefined;
  // The list of what is possible would only distract from a good guess.
  const last = issue.path.findLast((part) => typeof part === 'string') ?? name;
  const message = suggestion !== undefined && known.length > 1 ? `is not a known ${last}` : issue.message;
  return {
    span: node,
    message: `${path} ${message}`,
    found: show(name, node),
    ...expectation(issue.message),
    ...(suggestion === undefined ? {} : {suggestion}),
  };
}

/** A key that is not known in an object that is a field's value, or lies in one. */
function unknownKey(
  {component, name}: WrittenField,
  path: readonly PropertyKey[],
  object: Node,
  key: string,
): Problem {
  const message = `${pathText([component, name, ...path])} has no key ${quote(key)}`;
  return {span: keyAt(object, key) ?? object, message};
}

/** As in `root_fs.apt_sources[0].url`. */
function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${String(part)}`,
    )
    .join('');
}

/** Whether there is a value at `path`. */
function leadsTo(value: Node, path: readonly PropertyKey[]): boolean {
  const last = path.at(-1);
  const parent = nodeAt(value, path.slice(0, -1));
  return typeof last === 'number'
    ? parent.children?.[last] !== undefined
    : keyAt(parent, String(last)) !== undefined;
}

function brokenRule(file: UserFile, rule: BrokenRule): Problem {
  const [component, name] = rule.field;
  const field = file.findField(component, name);
  const [nearest] = writtenFields(file, rule);
  return {
    span: nearest?.value ?? file.components.get(component) ?? {offset: 0, length: 1},
    message: `${component}.${name} ${rule.message}`,
    ...expectation(rule.message),
    ...(field === undefined ? {} : {found: show(name, field.value)}),
    ...(rule.suggestion === undefined ? {} : {suggestion: rule.suggestion}),
  };
}

/** The fields of a rule that the user wrote, the one to change first. */
function writtenFields(file: UserFile, {field, others}: BrokenRule): readonly WrittenField[] {
  const find = ([component, name]: FieldPath) => file.findField(component, name);
  return [field, ...others].map(find).filter((written) => written !== undefined);
}

function show(name: string, node: Node): string {
  return isSecretName(name) ? mask : describe(node);
}

function expectation(message: string): Pick<Problem, 'expected'> {
  // What follows a colon is the reason.
  const expected = /^must be (.+?)(?:: |$)/.exec(message)?.[1];
  return expected === undefined ? {} : {expected};
}

/** A copy of the default file is a fine start for one's own, though these fields mean nothing in it. */
function isDefault(field: WrittenField, defaults: Configs): boolean {
  const fields: Readonly<Record<string, unknown>> = defaults[field.component];
  return JSON.stringify(getNodeValue(field.value)) === JSON.stringify(fields[field.name]);
}
