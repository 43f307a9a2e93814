import type {ArtifactStore, WorkFolder} from '../../volumes/artifact-store.ts';
import type {StoredFile} from '../../volumes/store-entry.ts';
import type {Step} from '../components/step.ts';
import type {StepFailure} from '../events/step-failure.ts';
import {matchOutputs} from './match-outputs.ts';

/** What a container left: the files of the step's outputs, or why they are not all there. */
export type CollectedOutputs =
  | {readonly ok: true; readonly files: readonly StoredFile[]}
  | {readonly ok: false; readonly failure: StepFailure};

/** Checks what a step's container left in its work folder. */
export async function collectOutputs(
  store: ArtifactStore,
  step: Step,
  work: WorkFolder,
): Promise<CollectedOutputs> {
  const present = await store.listWork(work);
  const {names, missing} = matchOutputs(step.outputs, present);
  if (missing.length > 0) return {ok: false, failure: missingOutputs(step.name, missing, present)};
  const [files, said] = await Promise.all([
    store.measureWork(work, names),
    store.readCompanions(work, names.filter(isCompanion)),
  ]);
  const wrong = findWrongCompanion(files, said);
  if (wrong === undefined) return {ok: true, files};
  return {ok: false, failure: wrongCompanion(step.name, wrong)};
}

/** A step that succeeded without making everything that it promises. */
export function missingOutputs(
  step: string,
  missing: readonly string[],
  present: readonly string[],
): StepFailure {
  return {
    reason: 'output-missing',
    step,
    message: `the container succeeded without making ${missing.join(', ')}`,
    hint: present.length === 0 ? 'It left no file at all.' : `It left ${present.join(', ')}.`,
    missing,
  };
}

/** A step that made a file which is not what its `.sha256` companion says. */
export function wrongCompanion(step: string, file: string): StepFailure {
  return {
    reason: 'output-corrupt',
    step,
    message: `${file} does not have the digest that ${file}.sha256 says`,
    file,
  };
}

/** The first file that is not what its companion says. */
function findWrongCompanion(
  files: readonly StoredFile[],
  said: ReadonlyMap<string, string>,
): string | undefined {
  const digests = new Map(files.map((file) => [file.name, file.sha256]));
  return files
    .map(({name}) => name)
    .filter(isCompanion)
    .map((name) => name.slice(0, -companionEnding.length))
    .find((file) => digests.get(file) !== said.get(file));
}

const companionEnding = '.sha256';

function isCompanion(name: string): boolean {
  return name.endsWith(companionEnding);
}
