import {ArtifactStore} from '../../volumes/artifact-store.ts';
import {baseImageStep} from '../components/components.ts';
import {openSession, volumeExists} from '../engine/open-session.ts';
import type {EngineSession} from '../engine/session.ts';
import type {PlannedStep} from '../events/event.ts';
import type {BuildOptions, Plan} from '../options.ts';
import {graphOf} from './build-variants.ts';
import {parseCacheOptions} from './cache-options.ts';
import {emptyHost} from './empty-host.ts';
import {filesNeeded} from './files-needed.ts';
import {findIdentityContext, lockedIdentityContext} from './identity-context.ts';
import {loadProjects} from './load-project.ts';
import {planSteps} from './plan-steps.ts';
import {requestOf, type ProjectRequest} from './request-of.ts';
import {epochFromUser} from './source-date-epoch.ts';
import {TeamCache} from './team-cache.ts';
import {filterByVerbosity} from './verbosity.ts';

/** What `build` would do with the same options, and why; of a matrix, for all variants together. Changes nothing. */
export async function plan(options: BuildOptions = {}): Promise<Plan> {
  const requests = (await loadProjects(options)).map((project) => requestOf(project, options));
  await using session = await openSession(options);
  const emit = filterByVerbosity('debug', options.onEvent);
  await using cache = await TeamCache.open(parseCacheOptions(options), emit, options.signal);
  const exists = await volumeExists(session);
  // A volume that does not exist holds nothing; looking into it would make it.
  const store = new ArtifactStore(exists ? session : emptyHost);
  const planned: PlannedRequest[] = [];
  for (const request of requests)
    planned.push(await planRequest(request, {session, store, cache, exists}, options));
  const [first] = planned;
  const steps = first?.request.variant === undefined ? (first?.steps ?? []) : combine(planned);
  const hasBase = planned.every((one) => one.hasBase);
  const isBaseNeeded = !hasBase && (cache.isEmpty || steps.some(({action}) => action === 'run'));
  return {volume: session.label, steps: [plannedBase(!isBaseNeeded), ...steps]};
}

interface PlannedRequest {
  readonly request: ProjectRequest;
  readonly steps: readonly PlannedStep[];
  /** Whether the engine has the base image. */
  readonly hasBase: boolean;
}

interface Place {
  readonly session: EngineSession;
  readonly store: ArtifactStore;
  readonly cache: TeamCache;
  /** Whether there is a volume. */
  readonly exists: boolean;
}

async function planRequest(
  request: ProjectRequest,
  {session, store, cache, exists}: Place,
  options: BuildOptions,
): Promise<PlannedRequest> {
  const {resolved, selection, lock, locked} = request;
  const {steps} = selection;
  const base = await findIdentityContext(session, {components: resolved.components, lock}, steps, options);
  const hasBase = base !== undefined;
  if (!exists && cache.isEmpty) return {request, steps: planEmpty(steps), hasBase};
  const {from} = resolved.components.base_image;
  const {architecture} = session.engine;
  const epoch = epochFromUser(options.sourceDateEpoch);
  // What registries have can be told without the base image.
  const known =
    base ??
    (cache.isEmpty ? undefined : await lockedIdentityContext(lock, locked, {from, architecture, epoch}));
  return {request, steps: await planSteps(steps, store, known, cache, filesNeeded(selection)), hasBase};
}

/** One plan of several: a step that variants share is in it once. */
function combine(planned: readonly PlannedRequest[]): PlannedStep[] {
  const variants = planned.map(({request}) => ({...request, variant: request.variant ?? ''}));
  const graph = graphOf(variants);
  const stepOf = new Map(
    planned.map(({request, steps}) => [
      request.variant ?? '',
      new Map(steps.map((step) => [step.step, step])),
    ]),
  );
  return graph.nodes.flatMap(({name, step, inputs, variants: having}) => {
    const found = stepOf.get(having[0] ?? '')?.get(step.name);
    if (found === undefined) return [];
    const needs = inputs.size === 0 ? [baseImageStep] : [...inputs.values()];
    return [{...found, step: name, needs, variants: having}];
  });
}

function planEmpty(steps: Parameters<typeof planSteps>[0]): PlannedStep[] {
  return steps.map((step) => ({
    step: step.name,
    component: step.component,
    description: step.description,
    needs: step.inputs.length === 0 ? [baseImageStep] : step.inputs,
    action: 'run',
    reasons: ['the volume does not exist yet'],
  }));
}

function plannedBase(exists: boolean): PlannedStep {
  return {
    step: baseImageStep,
    component: 'base_image',
    description: 'build tools',
    needs: [],
    action: exists ? 'hit' : 'run',
    reasons: exists ? [] : ['the engine does not have it'],
  };
}
