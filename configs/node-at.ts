import type {Node} from 'jsonc-parser';

/** The node that `path` leads to from `node`, or the last one on the way that is there. */
export function nodeAt(node: Node, path: readonly PropertyKey[]): Node {
  let found = node;
  for (const part of path) {
    const next =
      typeof part === 'number'
        ? found.type === 'array'
          ? found.children?.[part]
          : undefined
        : findProperty(found, String(part))?.children?.[1];
    if (next === undefined) return found;
    found = next;
  }
  return found;
}

/** The key `name` of an object. */
export function keyAt(object: Node, name: string): Node | undefined {
  return findProperty(object, name)?.children?.[0];
}

/** The last one of that name wins, as it does in JSON.parse. */
function findProperty(node: Node, name: string): Node | undefined {
  return node.type === 'object'
    ? node.children?.findLast((property) => property.children?.[0]?.value === name)
    : undefined;
}
