import type {StoreEntry} from '../../volumes/store-entry.ts';
import type {ArtifactStore, WorkFolder} from '../../volumes/artifact-store.ts';
import type {HandedFile} from '../components/step.ts';
import {matchesOutput} from './match-outputs.ts';

/**
 * Copies files of a step's inputs into its work folder, where a repository of Hypriot's shape looks for them.
 *
 * @returns the variables that tell their names.
 */
export async function handOver(
  handed: readonly HandedFile[],
  inputs: ReadonlyMap<string, StoreEntry>,
  work: WorkFolder,
  store: ArtifactStore,
): Promise<Readonly<Record<string, string>>> {
  const variables: Record<string, string> = {};
  for (const {step, pattern, variable, without} of handed) {
    const entry = inputs.get(step);
    if (entry === undefined) throw new Error(`${step} is no input of this step`);
    const names = entry.files.map(({name}) => name).filter((name) => matchesOutput(pattern, name));
    await store.copyToWork(entry, names, work);
    if (variable === undefined) continue;
    const [name, ...more] = names;
    if (name === undefined || more.length > 0) throw new Error(`${step} has not exactly one ${pattern}`);
    variables[variable] =
      without !== undefined && name.endsWith(without) ? name.slice(0, -without.length) : name;
  }
  return variables;
}
