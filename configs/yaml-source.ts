import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
  type Node,
  type Pair,
} from 'yaml';
import type {Span} from './json-document.ts';
import type {Problem, SourceText} from './source-text.ts';

/** What people write here is four levels deep, and aliases must not turn a small file into an endless one. */
const maxDepth = 24;
const maxNodes = 20_000;

/** A YAML text whose values know where they stand. */
export interface YamlSource {
  /** What makes it not YAML, in the order of the text. */
  readonly problems: readonly Problem[];
  /** As plain values, without the keys that have no value; undefined when the text is too broken to go on. */
  readonly value: unknown;
  /** The key at a path, or the value where it has none; the nearest parent that exists when it does not. */
  spanOf(path: readonly PropertyKey[]): Span;
  /** The value at a path, else as `spanOf`. */
  spanOfValue(path: readonly PropertyKey[]): Span;
  /** The value at a path with everything that is in it, also keys without a value; undefined where there is none. */
  wholeValue(path: readonly PropertyKey[]): unknown;
  /** A key that stands in the map at a path. */
  spanOfKey(path: readonly PropertyKey[], key: string): Span;
}

export function readYaml(source: SourceText): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(source.text, {lineCounter: lines, prettyErrors: false, uniqueKeys: true});
  const problems: Problem[] = [];
  let usable = true;
  for (const {code, message, pos} of document.errors) {
    if (code !== 'DUPLICATE_KEY') usable = false;
    problems.push({span: span(pos[0], pos[1]), message: wording(code, message)});
  }
  for (const {message, pos} of document.warnings) problems.push({span: span(pos[0], pos[1]), message});
  let value: unknown;
  if (usable) {
    try {
      value = new Converter(document).convert(document.contents, 0);
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      problems.push({span: error.span, message: error.message});
      value = undefined;
    }
  }
  return {
    problems,
    value,
    spanOf: (path) => find(document, path).key,
    spanOfValue: (path) => find(document, path).value,
    wholeValue: (path) => {
      const node = document.getIn(path, true);
      return isNode(node) ? (node.toJS(document, {maxAliasCount: 100}) as unknown) : undefined;
    },
    spanOfKey: (path, name) => {
      const place = find(document, path);
      const pair = place.node === undefined ? undefined : pairOf(place.node, name);
      return pair === undefined ? place.key : (spanOfNode(pair.key as Node) ?? place.key);
    },
  };
}

/** What cannot be turned into plain values. */
class Unusable extends Error {
  readonly span: Span;

  constructor(message: string, at: Span) {
    super(message);
    this.span = at;
  }
}

class Converter {
  readonly #document: Document;
  #nodes = 0;

  constructor(document: Document) {
    this.#document = document;
  }

  convert(node: unknown, depth: number): unknown {
    const at = spanOfNode(node as Node) ?? span(0, 1);
    if (depth > maxDepth) throw new Unusable(`is nested more than ${maxDepth} levels deep`, at);
    if (++this.#nodes > maxNodes) throw new Unusable('has far too many values', at);
    if (isAlias(node)) {
      const target = node.resolve(this.#document);
      if (target === undefined) throw new Unusable(`there is no anchor &${node.source}`, at);
      return this.convert(target, depth + 1);
    }
    if (isScalar(node)) return node.value;
    if (isSeq(node)) return node.items.map((item) => this.convert(item, depth + 1));
    if (isMap(node)) {
      const entries: [string, unknown][] = [];
      for (const {key, value} of node.items) {
        if (!isScalar(key)) throw new Unusable('a key must be a name', spanOfNode(key as Node) ?? at);
        const converted = this.convert(value, depth + 1);
        // `description:` with nothing behind it is the same as no description.
        if (converted !== null && converted !== undefined) entries.push([String(key.value), converted]);
      }
      return Object.fromEntries(entries);
    }
    return null;
  }
}

interface Place {
  readonly key: Span;
  readonly value: Span;
  readonly node: Node | undefined;
}

function find(document: Document, path: readonly PropertyKey[]): Place {
  let node: Node | undefined = resolved(document, document.contents);
  let place: Place = {key: topOf(node), value: topOf(node), node};
  for (const part of path) {
    const pair: Pair | undefined = node === undefined ? undefined : pairOf(node, String(part));
    const item: unknown = isSeq(node) ? node.items[Number(part)] : pair?.value;
    const key = spanOfNode(pair?.key as Node | undefined);
    const next = resolved(document, item);
    if (next === undefined && key === undefined) return place;
    const value = spanOfNode(item as Node | undefined) ?? key ?? place.value;
    // An item of a list is pointed at by its first key: the whole item would underline its first line.
    const first = isMap(next) ? spanOfNode(next.items[0]?.key as Node | undefined) : undefined;
    place = {
      key: key ?? first ?? value,
      value: isMap(next) || isSeq(next) ? (key ?? first ?? value) : value,
      node: next,
    };
    node = next;
  }
  return place;
}

/** Where to point when the file as a whole lacks something: its first key. */
function topOf(node: Node | undefined): Span {
  const first = isMap(node) ? spanOfNode(node.items[0]?.key as Node | undefined) : undefined;
  return first ?? span(0, 1);
}

function resolved(document: Document, node: unknown): Node | undefined {
  if (isAlias(node)) return node.resolve(document);
  return node === null ? undefined : (node as Node | undefined);
}

function pairOf(node: Node, name: string): Pair | undefined {
  if (!isMap(node)) return undefined;
  return node.items.find(({key}) => isScalar(key) && String(key.value) === name);
}

function spanOfNode(node: Node | null | undefined): Span | undefined {
  const range = node?.range;
  return range ? span(range[0], range[1]) : undefined;
}

function span(start: number, end: number): Span {
  return {offset: start, length: Math.max(1, end - start)};
}

function wording(code: string, message: string): string {
  switch (code) {
    case 'DUPLICATE_KEY':
      return 'duplicate key: it is already there';
    case 'TAB_AS_INDENT':
      return 'YAML is indented with spaces, not with tabs';
    case 'MULTIPLE_DOCS':
      return 'the file must hold one document; here a second one starts';
    default:
      // kukaLinuxVersion: >=0.1.0
      if (/^Block scalar header/.test(message)) return 'what starts with ">" or "|" must stand in quotes';
      return `not YAML: ${message}`;
  }
}
