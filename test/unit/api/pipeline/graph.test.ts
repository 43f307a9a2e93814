import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {PipelineError} from '../../../../api/errors.ts';
import {closure, sortTopologically, type Node} from '../../../../api/pipeline/graph.ts';

/** A graph without cycles, its nodes in any order: a node needs only nodes of a lower number. */
const graphs: fc.Arbitrary<Node[]> = fc.integer({min: 0, max: 12}).chain((count) =>
  fc
    .tuple(...Array.from({length: count}, (_, i) => fc.subarray([...Array(i).keys()].map((n) => `n${n}`))))
    .map((inputs) => inputs.map((needed, i) => ({name: `n${i}`, inputs: needed})))
    .chain((nodes) => fc.shuffledSubarray(nodes, {minLength: nodes.length})),
);

const node = (name: string, ...inputs: string[]): Node => ({name, inputs});
const namesOf = (nodes: readonly Node[]) => nodes.map(({name}) => name);

/** What the sort of nodes throws. */
function failureOf(nodes: readonly Node[]): PipelineError {
  try {
    sortTopologically(nodes);
  } catch (error) {
    if (error instanceof PipelineError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('sortTopologically', () => {
  it('has every node once, after everything that it needs', () => {
    fc.assert(
      fc.property(graphs, (nodes) => {
        const sorted = sortTopologically(nodes);
        expect(new Set(sorted)).toEqual(new Set(nodes));
        expect(sorted).toHaveLength(nodes.length);
        const place = new Map(sorted.map(({name}, i) => [name, i]));
        for (const {name, inputs} of sorted)
          for (const input of inputs) expect(place.get(input)).toBeLessThan(place.get(name) ?? -1);
      }),
    );
  });

  it('leaves an order alone that is one already', () => {
    fc.assert(
      fc.property(graphs, (nodes) => {
        const sorted = sortTopologically(nodes);
        expect(sortTopologically(sorted)).toEqual(sorted);
      }),
    );
  });

  it('puts what is needed directly before the first that needs it', () => {
    expect(namesOf(sortTopologically([node('c', 'a'), node('b'), node('a')]))).toEqual(['a', 'c', 'b']);
  });

  it('names the path of a cycle, and only the cycle', () => {
    const error = failureOf([
      node('start', 'a'),
      node('a', 'leaf', 'b'),
      node('b', 'c'),
      node('c', 'leaf', 'a'),
      node('leaf'),
    ]);
    expect(error.code).toBe('GRAPH_INVALID');
    expect(error.message).toBe('steps need each other in a circle: a → b → c → a');
  });

  it('finds a node that needs itself', () => {
    expect(failureOf([node('a', 'a')]).message).toBe('steps need each other in a circle: a → a');
  });

  it('finds any cycle', () => {
    fc.assert(
      fc.property(graphs, fc.nat(), (nodes, which) => {
        const last = nodes.find((found) => found.inputs.length > 0);
        fc.pre(last !== undefined);
        // Closes a circle: something that a node needs now needs that node.
        const target = last.inputs[which % last.inputs.length];
        const closed = nodes.map((found) =>
          found.name === target ? {...found, inputs: [...found.inputs, last.name]} : found,
        );
        expect(failureOf(closed).message).toContain('circle');
      }),
    );
  });

  it('refuses an input that does not exist', () => {
    const error = failureOf([node('a', 'nothing')]);
    expect(error.code).toBe('GRAPH_INVALID');
    expect(error.message).toBe('the step "a" needs "nothing", which does not exist');
  });

  it('refuses a name given twice', () => {
    expect(failureOf([node('a'), node('b'), node('a')]).message).toBe('the step "a" exists twice');
  });
});

describe('closure', () => {
  const sorted = [node('a'), node('b'), node('c', 'a'), node('d', 'c'), node('e', 'b', 'd')];

  it.each([
    [[], []],
    [['a'], ['a']],
    [['d'], ['a', 'c', 'd']],
    [
      ['b', 'c'],
      ['a', 'b', 'c'],
    ],
    [['e'], ['a', 'b', 'c', 'd', 'e']],
  ])('of %j is %j', (names, wanted) => {
    expect(namesOf(closure(sorted, new Set(names)))).toEqual(wanted);
  });

  it('is complete, and has nothing that nobody needs', () => {
    fc.assert(
      fc.property(graphs, fc.nat(), (nodes, which) => {
        fc.pre(nodes.length > 0);
        const order = sortTopologically(nodes);
        const wanted = order[which % order.length]?.name ?? '';
        const found = new Set(namesOf(closure(order, new Set([wanted]))));
        for (const {name, inputs} of order.filter((each) => found.has(each.name))) {
          for (const input of inputs) expect(found).toContain(input);
          const isNeeded = order.some((each) => found.has(each.name) && each.inputs.includes(name));
          expect(name === wanted || isNeeded).toBe(true);
        }
      }),
    );
  });
});
