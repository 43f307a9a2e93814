import {PipelineError} from '../errors.ts';

/** A node of a dependency graph: a name and the names of what it needs. */
export interface Node {
  readonly name: string;
  readonly inputs: readonly string[];
}

/**
 * Orders nodes so that each comes after everything it needs; among those that could come next, the order given is
 * kept, so the result does not depend on how a map happens to be laid out.
 *
 * @throws PipelineError `GRAPH_INVALID` for a cycle (with its path), an unknown input, or a name given twice.
 */
export function sortTopologically<T extends Node>(nodes: readonly T[]): T[] {
  const byName = new Map<string, T>();
  for (const node of nodes) {
    if (byName.has(node.name))
      throw new PipelineError('GRAPH_INVALID', `the step "${node.name}" exists twice`);
    byName.set(node.name, node);
  }
  const sorted: T[] = [];
  const done = new Set<string>();
  const path: string[] = [];

  function visit(node: T): void {
    if (done.has(node.name)) return;
    if (path.includes(node.name)) {
      const cycle = [...path.slice(path.indexOf(node.name)), node.name];
      throw new PipelineError('GRAPH_INVALID', `steps need each other in a circle: ${cycle.join(' → ')}`);
    }
    path.push(node.name);
    for (const input of node.inputs) {
      const needed = byName.get(input);
      if (needed === undefined) {
        throw new PipelineError(
          'GRAPH_INVALID',
          `the step "${node.name}" needs "${input}", which does not exist`,
        );
      }
      visit(needed);
    }
    path.pop();
    done.add(node.name);
    sorted.push(node);
  }

  for (const node of nodes) visit(node);
  return sorted;
}

/** The named nodes and everything that they need, in the order of `sorted`. */
export function closure<T extends Node>(sorted: readonly T[], names: ReadonlySet<string>): T[] {
  const needed = new Set(names);
  for (const node of sorted.toReversed()) {
    if (needed.has(node.name)) node.inputs.forEach((input) => needed.add(input));
  }
  return sorted.filter((node) => needed.has(node.name));
}
