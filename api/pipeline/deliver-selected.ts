import type {StoredFile, StoreEntry} from '../../volumes/store-entry.ts';
import type {Artifact, DeliveredArtifact} from '../events/event.ts';
import {packageVersion} from '../version.ts';
import {deliver} from './deliver.ts';
import {matchesOutput} from './match-outputs.ts';
import {Holdings} from './holdings.ts';
import {writeProvenance, type Provenance} from './provenance.ts';
import type {RunContext} from './run-context.ts';
import type {Run} from './run.ts';
import type {Selection} from './select-steps.ts';
import type {TeamCache} from './team-cache.ts';

/** The finished entries, by step. */
type Entries = ReadonlyMap<string, StoreEntry>;

/** Every artifact of the requested components, in graph order. */
export function selectedArtifacts(selection: Selection, entries: Entries): Artifact[] {
  return selectedFiles(selection, entries).flatMap(({entry, files}) =>
    files.map((file) => ({step: entry.step, ...file})),
  );
}

/**
 * Copies them to a folder, with a description of what they were made from.
 *
 * @throws PipelineError as {@link deliver}.
 */
export async function deliverSelected(
  run: Run,
  entries: Entries,
  context: Pick<RunContext, 'epoch'> & Pick<Provenance, 'baseImage'>,
  folder: string,
): Promise<DeliveredArtifact[]> {
  const {selection, session, cache, resolved, emit, signal} = run;
  const store = new Holdings(run);
  const delivered: DeliveredArtifact[] = [];
  for (const {entry, files} of selectedFiles(selection, entries)) {
    delivered.push(...(await deliver(store, entry, files, folder, emit, signal)));
  }
  await writeProvenance(folder, store, {
    baseImage: context.baseImage,
    epoch: context.epoch,
    engine: session.engine,
    configs: resolved.components,
    entries: [...entries.values()],
    version: packageVersion(),
    signal,
    onNotice: (message) => emit({type: 'notice', level: 'warning', message}),
    stored: [...(await run.store.entries()).values()],
    origins: originsOf(await run.store.entries(), cache),
  });
  return delivered;
}

/** The registries of those entries that the volume does not have. */
function originsOf(
  stored: ReadonlyMap<string, StoreEntry>,
  {origins}: TeamCache,
): ReadonlyMap<string, string> {
  return new Map([...origins].filter(([fingerprint]) => !stored.has(fingerprint)));
}

export function selectedFiles(
  {requested, steps}: Selection,
  entries: Entries,
): {entry: StoreEntry; files: readonly StoredFile[]}[] {
  const wanted = new Set<string>(requested);
  return steps.flatMap((step) => {
    const entry = entries.get(step.name);
    if (entry === undefined || !wanted.has(step.component)) return [];
    const files = entry.files.filter((file) =>
      step.outputs.some((output) => output.delivered && matchesOutput(output.name, file.name)),
    );
    return [{entry, files}];
  });
}
