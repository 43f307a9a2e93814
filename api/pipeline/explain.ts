import {ArtifactStore} from '../../volumes/artifact-store.ts';
import {baseImageStep} from '../components/components.ts';
import type {BaseImage} from '../engine/base-image.ts';
import {openSession, volumeExists} from '../engine/open-session.ts';
import type {BuildOptions} from '../options.ts';
import {loadProject} from './load-project.ts';
import {emptyHost} from './empty-host.ts';
import {explainSteps, type ExplainedStep} from './explain-steps.ts';
import {selectSteps} from './select-steps.ts';
import {findIdentityContext} from './identity-context.ts';

export interface Explanation {
  readonly volume: string;
  /** In the order in which they may run. */
  readonly steps: readonly ExplainedStep[];
}

/**
 * What `build` would do with the same options, and everything that it decides by: every input of every step, with what
 * it was when the step was built last. Changes nothing. `plan` is the short form.
 *
 * @example
 * const {steps} = await explain({target: './out'});
 * const changed = steps.flatMap((step) => step.inputs.filter((input) => input.changed));
 */
export async function explain(options: BuildOptions = {}): Promise<Explanation> {
  const resolved = await loadProject(options);
  const {steps} = selectSteps(resolved, options.components);
  await using session = await openSession(options);
  const base = await findIdentityContext(session, resolved, steps, options);
  // A volume that does not exist holds nothing; looking into it would make it.
  const store = (await volumeExists(session)) ? new ArtifactStore(session) : new ArtifactStore(emptyHost);
  return {
    volume: session.label,
    steps: [
      explainBase(base?.baseImage, resolved.components.base_image),
      ...(await explainSteps(steps, store, base)),
    ],
  };
}

function explainBase(
  found: BaseImage | undefined,
  config: {readonly from: string; readonly mirror: string},
): ExplainedStep {
  return {
    step: baseImageStep,
    component: baseImageStep,
    description: 'build tools',
    needs: [],
    action: found === undefined ? 'run' : 'hit',
    reasons: found === undefined ? ['the engine does not have it'] : [],
    inputs: [
      {kind: 'setting', name: 'base_image.from', value: config.from, changed: false},
      {kind: 'setting', name: 'base_image.mirror', value: config.mirror, changed: false},
      ...(found === undefined
        ? []
        : [
            {
              kind: 'base-image' as const,
              name: 'packages and scripts',
              value: found.identity,
              changed: false,
            },
            {
              kind: 'epoch' as const,
              name: 'date of its archive',
              value: String(found.archiveDate),
              changed: false,
            },
          ]),
    ],
  };
}
