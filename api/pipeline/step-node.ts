import type {Step} from '../components/step.ts';
import {canonicalJson} from './fingerprint.ts';

/** A step in the graph of a run, in which several configurations may have steps of the same name. */
export interface StepNode {
  /** The step's name, with the variants that have it where not all of them do. */
  readonly name: string;
  readonly step: Step;
  /** By name of an input of the step: the node that it comes from. */
  readonly inputs: ReadonlyMap<string, string>;
  /** Empty without a matrix. */
  readonly variants: readonly string[];
}

/** The graph of one configuration. */
export function nodesOf(steps: readonly Step[]): StepNode[] {
  return steps.map((step) => ({
    name: step.name,
    step,
    inputs: new Map(step.inputs.map((input) => [input, input])),
    variants: [],
  }));
}

/** The steps of one variant. */
export interface VariantSteps {
  readonly variant: string;
  /** In the order of the graph. */
  readonly steps: readonly Step[];
  /** What a lock says of the steps that resolve: two that are told different lists are different. */
  readonly lists: ReadonlyMap<string, string>;
  readonly previous: ReadonlyMap<string, string>;
}

export interface CombinedGraph {
  /** Each after what it needs. */
  readonly nodes: readonly StepNode[];
  /** By variant: the node of each of its steps. */
  readonly nodesOf: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/**
 * The graph of all variants, in which steps that are told the same and stand on the same are one. Steps that are told
 * different things and turn out to make the same are found by their fingerprint when they run.
 */
export function combineVariants(variants: readonly VariantSteps[]): CombinedGraph {
  const found = new Map<string, {step: Step; inputs: Map<string, string>; variants: string[]}>();
  const keysOf = new Map<string, Map<string, string>>();
  for (const {variant, steps, lists, previous} of variants) {
    const keys = new Map<string, string>();
    for (const step of steps) {
      const inputs = new Map(step.inputs.map((input) => [input, keys.get(input) ?? '']));
      const key = canonicalJson([step, [...inputs], lists.get(step.name), previous.get(step.name)]);
      const node = found.get(key) ?? {step, inputs, variants: []};
      node.variants.push(variant);
      found.set(key, node);
      keys.set(step.name, key);
    }
    keysOf.set(variant, keys);
  }
  const shared = [...found.values()].map(({step}) => step.name);
  const names = new Map(
    [...found].map(([key, {step, variants: having}]) => {
      const isOnly = shared.filter((name) => name === step.name).length === 1;
      return [key, isOnly && having.length === variants.length ? step.name : `${step.name} ${label(having)}`];
    }),
  );
  const nameOf = (key: string) => names.get(key) ?? '';
  return {
    nodes: [...found].map(([key, {step, inputs, variants: having}]) => ({
      name: nameOf(key),
      step,
      inputs: new Map([...inputs].map(([input, from]) => [input, nameOf(from)])),
      variants: having,
    })),
    nodesOf: new Map(
      [...keysOf].map(([variant, keys]) => [
        variant,
        new Map([...keys].map(([name, key]) => [name, nameOf(key)])),
      ]),
    ),
  };
}

function label([first = '', ...others]: readonly string[]): string {
  return others.length === 0 ? `[${first}]` : `[${first} +${others.length}]`;
}
