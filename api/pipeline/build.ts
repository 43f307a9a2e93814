import type {StoreEntry} from '../../volumes/store-entry.ts';
import {parseComponentNames} from '../components/components.ts';
import {PipelineError} from '../errors.ts';
import type {BuildOptions, BuildResult} from '../options.ts';
import {buildVariants, graphOf} from './build-variants.ts';
import type {SigningMaterial} from '../ota/image/write/signing-key.ts';
import {announceUnsigned} from './announce-unsigned.ts';
import {DamagedArtifact} from './damaged-artifact.ts';
import {deliverSelected, selectedArtifacts} from './deliver-selected.ts';
import {executeSteps} from './execute-steps.ts';
import {fetchSelected, type Fetched} from './fetch-selected.ts';
import {loadProjects, type Project} from './load-project.ts';
import {makeRunContext} from './make-run-context.ts';
import {prepareBaseImage} from './prepare-base-image.ts';
import {pushArtifacts} from './push-artifacts.ts';
import type {RunContext} from './run-context.ts';
import {
  announceExtension,
  checkLocked,
  compareBaseImage,
  isStrict,
  keepBaseImage,
  updateLock,
} from './run-lock.ts';
import {requestOf} from './request-of.ts';
import type {Run} from './run.ts';
import type {Selection} from './select-steps.ts';
import {withRun} from './with-run.ts';

/**
 * Builds what the configuration asks for into the volume, and copies it to the target when there is one. Of a
 * configuration with a matrix it builds every variant; whether one has failed, its result says.
 *
 * @throws PipelineError `BUILD_FAILED` with the steps' failures, `INTERRUPTED`, or why the build could not start.
 * @throws ConfigError for a configs.json with mistakes; nothing has been built then.
 *
 * @example
 * const {delivered} = await build({target: './out', components: ['rpi_sd_image']});
 */
export async function build(options: BuildOptions = {}): Promise<BuildResult> {
  const startedMs = Date.now();
  parseComponentNames(options.allowPrivileged ?? []);
  const requests = await Promise.all(
    (await loadProjects(options)).map(async (project) => {
      const request = requestOf(project, options);
      if (isStrict(options)) checkLocked(request);
      return {...request, signing: await checkSelectedUpdates(project, request.selection)};
    }),
  );
  const [request] = requests;
  if (request === undefined) throw new Error('a configuration has at least one variant');
  const variants = requests.flatMap((one) =>
    one.variant === undefined ? [] : [{...one, variant: one.variant}],
  );
  const result =
    variants.length === 0
      ? await withRun(options, request, (run) => buildSelected(run, request.signing))
      : await withRun(
          options,
          request,
          (run) => buildVariants(run, variants),
          graphOf(variants).nodes.map(({name}) => name),
        );
  return {...result, durationMs: Date.now() - startedMs};
}

/** Where updates are to be made, finds out whether they can be. What that takes is loaded only then. */
async function checkSelectedUpdates(
  project: Project,
  {steps}: Selection,
): Promise<SigningMaterial | undefined> {
  if (!steps.some(({client}) => client !== undefined)) return undefined;
  const {checkUpdate} = await import('../updates/check-update.ts');
  return checkUpdate(project);
}

/** One run, from the base image to the target. */
async function buildSelected(
  run: Run,
  signing: SigningMaterial | undefined,
): Promise<Omit<BuildResult, 'durationMs'>> {
  announceUnsigned(run, signing);
  const {entries, delivered} = (await fetchSelected(run)) ?? (await buildAndDeliver(run, signing));
  return {
    volume: run.session.label,
    artifacts: selectedArtifacts(run.selection, entries),
    delivered,
    pushed: await pushArtifacts(run, entries),
  };
}

async function buildAndDeliver(run: Run, signing: SigningMaterial | undefined): Promise<Fetched> {
  const baseImage = await prepareBaseImage(run, run.lock);
  const isNew = await compareBaseImage(run, baseImage);
  announceExtension(run);
  const epoch = run.epochFromUser ?? run.lock?.source_date_epoch ?? baseImage.archiveDate;
  const context = {...makeRunContext(run, baseImage, epoch), signing};
  // Beside the steps: none of them waits for it. It ends before the run does, also when a step fails.
  const keeping = isNew ? keepBaseImage(run, baseImage) : Promise.resolve(undefined);
  const [executed, kept] = await Promise.allSettled([executeSteps(run, context), keeping]);
  const entries = valueOf(executed);
  await updateLock(run, entries, baseImage, valueOf(kept));
  return deliverOrRepair(run, entries, context);
}

function valueOf<T>(settled: PromiseSettledResult<T>): T {
  if (settled.status === 'fulfilled') return settled.value;
  throw settled.reason;
}

/** Delivers to the target, if there is one. What turns out to be damaged in the volume is built again, once. */
async function deliverOrRepair(
  run: Run,
  entries: ReadonlyMap<string, StoreEntry>,
  context: RunContext,
): Promise<Fetched> {
  const {folder, emit} = run;
  if (folder === undefined) return {entries, delivered: []};
  try {
    return {entries, delivered: await deliverSelected(run, entries, context, folder)};
  } catch (error) {
    if (!(error instanceof PipelineError) || error.code !== 'ARTIFACT_CORRUPT') throw error;
    if (error instanceof DamagedArtifact && run.cache.holds(error.entry)) run.cache.reject(error.entry);
    else emit({type: 'notice', level: 'warning', message: `${error.message}; it is built again`});
    const repaired = await executeSteps(run, context, true);
    return {entries: repaired, delivered: await deliverSelected(run, repaired, context, folder)};
  }
}
