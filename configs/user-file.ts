import type {Node} from 'jsonc-parser';
import type {Span} from './json-document.ts';
import {findNearestName} from './nearest-name.ts';
import {componentNames, fieldNames, isComponentName, type ComponentName} from './schema.ts';
import {holdsPrivateKey, mask, maskUserInfo} from './secrets.ts';
import {quote, type Problem, type SourceText} from './source-text.ts';

/** A name of version 2 that is accepted in a user's file. */
export const kernelBranchAlias = 'kernel_branch';

/** A field that the user wrote. */
export interface WrittenField {
  readonly component: ComponentName;
  readonly name: string;
  readonly key: Node;
  readonly value: Node;
}

/** The parts of a user's file that have a known name. */
export class UserFile {
  readonly problems: readonly Problem[];
  /** The key of each component that the user lists. */
  readonly components: ReadonlyMap<ComponentName, Node>;
  readonly fields: readonly WrittenField[];

  readonly #source: SourceText;
  readonly #problems: Problem[] = [];
  readonly #components = new Map<ComponentName, Node>();
  readonly #fields: WrittenField[] = [];

  constructor(source: SourceText, root: Node) {
    this.#source = source;
    this.#readRoot(root);
    this.problems = this.#problems;
    this.components = this.#components;
    this.fields = this.#fields;
  }

  /** The field of that name in that component, if the user wrote it. */
  findField(component: ComponentName, name: string): WrittenField | undefined {
    return this.#fields.find((field) => field.component === component && field.name === name);
  }

  /** What the user wrote as plain values; it has known names only, so nothing like `__proto__`. */
  toValue(): Record<string, Record<string, unknown>> {
    const value: Record<string, Record<string, unknown>> = {};
    for (const name of this.#components.keys()) {
      value[name] = {};
    }
    for (const {component, name, value: node} of this.#fields) {
      (value[component] ??= {})[name] = plainValue(node);
    }
    return value;
  }

  #readRoot(root: Node): void {
    if (root.type !== 'object') {
      const expected = 'an object that lists the components to build';
      this.#problems.push({
        span: root,
        message: `the file must be ${expected}`,
        expected,
        found: describe(root),
      });
      return;
    }
    let listed = 0;
    for (const {name, key, value} of this.#properties(root)) {
      if (name === '$schema') {
        continue;
      }
      listed++;
      if (!isComponentName(name)) {
        this.#problems.push(unknownComponent(key, name));
        continue;
      }
      this.#components.set(name, key);
      if (value.type === 'object') {
        this.#readComponent(name, value);
      } else {
        const expected = 'an object';
        const message = `${name} must be ${expected} ({} for the defaults)`;
        this.#problems.push({span: value, message, expected, found: describe(value)});
      }
    }
    if (listed === 0) {
      const message =
        'the file lists nothing to build; for the SD image and its defaults write {"rpi_sd_image": {}}';
      this.#problems.push({span: root, message, expected: oneOf(componentNames)});
    }
  }

  #readComponent(component: ComponentName, object: Node): void {
    const known = fieldNames(component);
    for (const {name, key, value} of this.#properties(object)) {
      if (known.includes(name) || (component === 'rpi_kernel' && name === kernelBranchAlias)) {
        this.#fields.push({component, name, key, value});
        this.#findRepeatedKeys(value);
      } else {
        this.#problems.push(unknownField(key, component, name, known));
      }
    }
  }

  /** Goes through the objects in a field's value. */
  #findRepeatedKeys(node: Node): void {
    if (node.type === 'object') {
      for (const {value} of this.#properties(node)) this.#findRepeatedKeys(value);
    } else if (node.type === 'array') {
      for (const item of node.children ?? []) this.#findRepeatedKeys(item);
    }
  }

  /** The properties of an object without the repeated ones, which are problems. */
  *#properties(object: Node): Iterable<{readonly name: string; readonly key: Node; readonly value: Node}> {
    const seen = new Map<string, Span>();
    for (const property of object.children ?? []) {
      const [key, value] = property.children ?? [];
      if (key === undefined || value === undefined) {
        continue;
      }
      const name = String(key.value);
      const first = seen.get(name);
      if (first === undefined) {
        seen.set(name, key);
        yield {name, key, value};
      } else {
        const line = this.#source.lineAt(first.offset);
        this.#problems.push({
          span: key,
          message: `duplicate key ${quote(name)}: it is already on line ${line}`,
        });
      }
    }
  }
}

function unknownComponent(span: Span, name: string): Problem {
  const expected = oneOf(componentNames);
  const suggestion =
    findNearestName(name, componentNames) ?? findOwners(name).map((owner) => `${owner}.${name}`)[0];
  const message = `unknown component ${quote(name)}`;
  return suggestion === undefined
    ? {span, message: `${message}, known are ${componentNames.join(', ')}`, expected}
    : {span, message, expected, suggestion};
}

function unknownField(span: Span, component: ComponentName, name: string, known: readonly string[]): Problem {
  const expected = oneOf(known);
  const message = `${component} has no field ${quote(name)}`;
  const [owner, ...others] = findOwners(name);
  if (owner !== undefined && others.length === 0) {
    return {span, message: `${message}, it belongs to ${owner}`, expected};
  }
  const suggestion = findNearestName(name, known);
  return suggestion === undefined
    ? {span, message: `${message}, known are ${known.join(', ')}`, expected}
    : {span, message, expected, suggestion};
}

/** The components that have a field of this name. */
function findOwners(field: string): readonly ComponentName[] {
  return componentNames.filter((name) => fieldNames(name).includes(field));
}

function oneOf(names: readonly string[]): string {
  return `one of ${names.join(', ')}`;
}

/** What stands at a node, in a few printable words. */
export function describe({type, value}: Node): string {
  switch (type) {
    case 'string':
      return holdsPrivateKey(String(value)) ? mask : quote(maskUserInfo(String(value)));
    case 'object':
      return 'an object';
    case 'array':
      return 'a list';
    default:
      return String(value);
  }
}

/** As JSON.parse makes it: a key `__proto__` is a key like any other. */
function plainValue({type, value, children}: Node): unknown {
  switch (type) {
    case 'array':
      return (children ?? []).map(plainValue);
    case 'object':
      return Object.fromEntries(
        (children ?? []).flatMap(({children: [key, item] = []}) =>
          key === undefined || item === undefined ? [] : [[String(key.value), plainValue(item)]],
        ),
      );
    default:
      return value;
  }
}
