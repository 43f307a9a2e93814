import type {z} from 'zod';
import {describeValue, fieldName, isMapValue, valueAt} from '../../configs/field-path.ts';
import {findNearestName} from '../../configs/nearest-name.ts';
import {quote, type Problem} from '../../configs/source-text.ts';
import {Description, knownKeys} from './description-schema.ts';
import type {YamlSource} from '../../configs/yaml-source.ts';

/** What the fields of a description are worth, one by one. */
export interface CheckedDescription {
  /** Undefined when a field is wrong. */
  readonly description: Description | undefined;
  readonly problems: readonly Problem[];
}

/** Checks names, types and values of all fields. */
export function checkDescription(yaml: YamlSource): CheckedDescription {
  if (!isMapValue(yaml.value)) {
    const message =
      yaml.value === null
        ? 'the file is empty; "hypriotkit bundle init" writes one to start from'
        : 'the file must be a map of fields, starting with apiVersion: v1';
    return {description: undefined, problems: [{span: yaml.spanOfValue([]), message}]};
  }
  const parsed = Description.safeParse(yaml.value);
  if (parsed.success) return {description: parsed.data, problems: []};
  return {
    description: undefined,
    problems: parsed.error.issues.flatMap((issue) => describeIssue(yaml, issue)),
  };
}

function describeIssue(yaml: YamlSource, issue: z.core.$ZodIssue): readonly Problem[] {
  const {path} = issue;
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownKey(yaml, path, key));
  }
  const value = valueAt(yaml.value, path);
  if (value === undefined || value === '') {
    return [{span: yaml.spanOf(path), message: `required field [${dotted(path)}] is not set`}];
  }
  return [
    {
      span: yaml.spanOfValue(path),
      message: `${fieldName(path)} ${issue.message}`,
      found: describeValue(value),
    },
  ];
}

function unknownKey(yaml: YamlSource, path: readonly PropertyKey[], key: string): Problem {
  const known = knownKeys(path) ?? [];
  const suggestion = findNearestName(key, known);
  const place = path.length === 0 ? 'a description' : fieldName(path);
  const message = `${place} has no field ${quote(key)}`;
  const span = yaml.spanOfKey(path, key);
  return suggestion === undefined
    ? {span, message: `${message}, known are ${known.join(', ')}`}
    : {span, message, suggestion};
}

/** The name of a field as the update agent gives it: without indexes, and lists in the singular. */
export function dotted(path: readonly PropertyKey[]): string {
  const singular: Readonly<Record<string, string>> = {
    containers: 'container',
    initContainers: 'initContainer',
    volumes: 'volume',
  };
  return path
    .filter((part) => typeof part === 'string')
    .map((name, index, names) => (index < names.length - 1 ? (singular[name] ?? name) : name))
    .join('.');
}
