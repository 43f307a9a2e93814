import type {ResolvedConfigs} from '../../configs/load-config.ts';
import type {ComponentName} from '../../configs/schema.ts';
import {allSteps, parseComponentNames} from '../components/components.ts';
import type {CardContent} from '../components/content-work.ts';
import type {ImagePins, Pins} from '../components/pins.ts';
import type {Step} from '../components/step.ts';
import {closure, sortTopologically} from './graph.ts';

export interface Selection {
  /** Components that the user wants, in graph order. */
  readonly requested: readonly ComponentName[];
  /** Every step that they need, each after what it needs. */
  readonly steps: readonly Step[];
}

/**
 * Decides what is to be built: the components named in the call, else those that the user's configs.json lists, with
 * everything that they need.
 *
 * @throws PipelineError `USAGE` for an unknown component.
 */
export function selectSteps(
  resolved: ResolvedConfigs & {
    readonly pins?: Pins;
    readonly imagePins?: ImagePins;
    readonly content?: CardContent | undefined;
  },
  components: readonly string[] | undefined,
): Selection {
  const requested =
    components && components.length > 0 ? parseComponentNames(components) : resolved.requested;
  const sorted = sortTopologically(
    allSteps(resolved.components, resolved.local, resolved.pins, resolved.imagePins, resolved.content),
  );
  const own = sorted.filter(({component}) => requested.includes(component)).map(({name}) => name);
  return {requested, steps: closure(sorted, new Set(own))};
}
