import {getNodeValue, type Node} from 'jsonc-parser';
import {findNearestName} from './nearest-name.ts';
import {componentNames, fieldNames, isComponentName} from './schema.ts';
import {isSecretName} from './secrets.ts';
import {quote, type Problem} from './source-text.ts';

/** More variants than this are a mistake in a list sooner than somebody's wish. */
const mostVariants = 1000;

/** A longer name of a folder is hard to type. */
const longestName = 64;

/** A field with the value that a variant gives it. */
interface Assignment {
  /** As `root_fs.hostname`. */
  readonly field: string;
  readonly key: Node;
  readonly value: Node;
}

/** One of the configurations that a file with a matrix stands for. */
export interface Variant {
  /** Safe as the name of a folder; no other variant of the file has it. */
  readonly name: string;
  /** The file as it would have to be written for this variant alone. Its nodes lie where they stand in the real one. */
  readonly root: Node;
}

export interface Variants {
  readonly variants: readonly Variant[];
  readonly problems: readonly Problem[];
}

/**
 * Takes the matrix of a file apart: every combination of the values that its fields may have, without those that
 * `exclude` names, and then those that `include` adds.
 *
 * @returns undefined for a file without one.
 */
export function findVariants(root: Node): Variants | undefined {
  const matrix = findProperty(root, 'matrix');
  if (matrix === undefined) return undefined;
  const [key, value] = matrix.children ?? [];
  const problems: Problem[] = [];
  if (key === undefined || value?.type !== 'object') {
    return none({span: value ?? matrix, message: 'matrix must be an object of fields with lists of values'});
  }
  const reader = new MatrixReader(problems);
  const axes = reader.axes(value);
  const excluded = reader.combinations(value, 'exclude');
  const included = reader.combinations(value, 'include');
  const product = axes.reduce<Assignment[][]>(
    (all, axis) =>
      all.length > mostVariants ? all : all.flatMap((one) => axis.map((next) => [...one, next])),
    axes.length === 0 ? [] : [[]],
  );
  const kept = product.filter((one) => !excluded.some((rule) => fits(one, rule)));
  const combinations = [...kept, ...included];
  if (problems.length === 0 && combinations.length === 0) {
    return none({span: key, message: 'matrix leaves nothing to build'});
  }
  if (combinations.length > mostVariants) {
    return none({span: key, message: `matrix has more than ${mostVariants} variants`});
  }
  const names = combinations.map(nameOf);
  for (const [index, name] of names.entries()) {
    const twin = names.findIndex((other) => other.toLowerCase() === name.toLowerCase());
    if (twin === index) continue;
    const span = combinations[index]?.at(-1)?.value ?? key;
    problems.push({span, message: `two variants of matrix would both be called ${quote(name)}`});
  }
  const rest = without(root, matrix);
  const variants = combinations.map((one, index) => ({
    name: names[index] ?? '',
    root: one.reduce(assign, rest),
  }));
  return {variants, problems};
}

function none(problem: Problem): Variants {
  return {variants: [], problems: [problem]};
}

/** Reads the parts of a matrix. */
class MatrixReader {
  readonly #problems: Problem[];

  constructor(problems: Problem[]) {
    this.#problems = problems;
  }

  /** The fields with their possible values. */
  axes(matrix: Node): Assignment[][] {
    return properties(matrix).flatMap(([key, value]) => {
      const field = String(key.value);
      if (field === 'include' || field === 'exclude') return [];
      if (!this.#isField(key)) return [];
      if (value.type !== 'array' || value.children === undefined || value.children.length === 0) {
        this.#problems.push({span: value, message: `matrix ${quote(field)} must be a list of values`});
        return [];
      }
      return [value.children.map((one) => ({field, key, value: one}))];
    });
  }

  /** The objects of `include` or `exclude`. */
  combinations(matrix: Node, name: string): Assignment[][] {
    const list = findProperty(matrix, name)?.children?.[1];
    if (list === undefined) return [];
    const items = list.type === 'array' ? (list.children ?? []) : [list];
    return items.flatMap((item) => {
      if (list.type !== 'array' || item.type !== 'object' || properties(item).length === 0) {
        this.#problems.push({span: item, message: `matrix.${name} must be a list of objects with fields`});
        return [];
      }
      const fields = properties(item).filter(([key]) => this.#isField(key));
      return [fields.map(([key, value]) => ({field: String(key.value), key, value}))];
    });
  }

  #isField(key: Node): boolean {
    const field = String(key.value);
    const [component = '', name = '', ...rest] = field.split('.');
    const isKnown = rest.length === 0 && isComponentName(component) && fieldNames(component).includes(name);
    if (isKnown && component !== 'base_image') return true;
    if (isKnown) {
      this.#problems.push({
        span: key,
        message: `${field} is the same for all variants: they share the build tools`,
      });
      return false;
    }
    const known = componentNames.flatMap((one) => fieldNames(one).map((other) => `${one}.${other}`));
    const suggestion = findNearestName(field, known);
    this.#problems.push({
      span: key,
      message: `matrix has no field ${quote(field)}`,
      expected: 'a field as "root_fs.hostname"',
      ...(suggestion !== undefined && {suggestion}),
    });
    return false;
  }
}

/** Whether a combination has all that a rule names. */
function fits(combination: readonly Assignment[], rule: readonly Assignment[]): boolean {
  return rule.every(({field, value}) =>
    combination.some((one) => one.field === field && textOf(one.value) === textOf(value)),
  );
}

function textOf(value: Node): string {
  return JSON.stringify(getNodeValue(value));
}

/** `reef_rpi`, from the values; one that is no short text is told by its place in the file. */
function nameOf(combination: readonly Assignment[]): string {
  const parts = combination.map(({field, value}) => {
    const name = field.replace(/^.*\./, '');
    // The name of a folder is no place for a password.
    const isPlain = ['string', 'number', 'boolean'].includes(value.type) && !isSecretName(name);
    const text = isPlain ? String(value.value).replaceAll(/[^A-Za-z0-9.-]+/g, '-') : '';
    const place = value.parent?.children?.indexOf(value) ?? 0;
    return /^[A-Za-z0-9]/.test(text) ? text : `${name}${place + 1}`;
  });
  return parts.join('_').slice(0, longestName);
}

/** The file with another value for a field. */
function assign(root: Node, {field, key, value}: Assignment): Node {
  const [component = '', name = ''] = field.split('.');
  const before = findProperty(root, component);
  const object = before?.children?.[1] ?? {...value, type: 'object', children: []};
  const fieldKey: Node = {...key, value: name};
  const fieldProperty: Node = {...value, type: 'property', children: [fieldKey, value]};
  const others = (object.children ?? []).filter((property) => property.children?.[0]?.value !== name);
  const changed: Node = {...object, children: [...others, fieldProperty]};
  const componentKey = before?.children?.[0] ?? {...key, value: component};
  const property: Node = {...(before ?? value), type: 'property', children: [componentKey, changed]};
  const rest = (root.children ?? []).filter((one) => one !== before);
  return {...root, children: [...rest, property]};
}

function without(root: Node, property: Node): Node {
  return {...root, children: (root.children ?? []).filter((one) => one !== property)};
}

function findProperty(object: Node, name: string): Node | undefined {
  return object.children?.find((property) => property.children?.[0]?.value === name);
}

function properties(object: Node): readonly (readonly [key: Node, value: Node])[] {
  return (object.children ?? []).flatMap(({children: [key, value] = []}) =>
    key === undefined || value === undefined ? [] : [[key, value] as const],
  );
}
