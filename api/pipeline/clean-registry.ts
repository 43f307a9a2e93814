import {RegistryStore, type ListedEntry} from '../../volumes/registry-store.ts';
import {baseImageStep} from '../components/components.ts';
import {PipelineError} from '../errors.ts';
import type {CleanOptions, CleanResult} from '../options.ts';
import {ArtifactRepository} from '../registry/artifact-repository.ts';
import {parseRepository} from '../registry/repository-name.ts';
import {selectEntries} from './clean-selection.ts';

/**
 * Removes artifacts from a repository of a registry: those that meet every criterion, with their signatures. Images with
 * tools go only by name or when everything does, because locks of any age need them; tags that are no artifacts stay.
 * The registry frees the room when it collects its garbage.
 *
 * @throws PipelineError `USAGE`, or `REGISTRY_FAILED` when the registry does not let us.
 */
export async function cleanRegistry(
  registry: string,
  {components = [], unreachable, olderThanMs, keepBytes, dryRun, insecureRegistries, signal}: CleanOptions,
): Promise<CleanResult> {
  if (unreachable === true) {
    throw new PipelineError('USAGE', 'what nobody uses cannot be told of a registry: others use it, too', {
      hint: 'Say how old: --older-than 30d.',
    });
  }
  await using repository = new ArtifactRepository(parseRepository(registry, '--registry'), {
    insecureRegistries,
    signal,
  });
  const store = new RegistryStore(repository);
  const listed: ListedEntry[] = [];
  for await (const entry of store.list()) listed.push(entry);
  const isEverything = components.length === 0 && olderThanMs === undefined && keepBytes === undefined;
  const judged = listed.filter(
    ({step}) => step !== baseImageStep || isEverything || components.includes(baseImageStep),
  );
  const selected = selectEntries(judged, {
    components: components.length > 0 ? new Set(components) : undefined,
    olderThanMs,
    keepBytes,
  });
  if (dryRun !== true) for (const entry of selected) await store.remove(entry);
  return {
    volume: repository.label,
    removed: selected.map(({step, createdAt}) => `${step} of ${createdAt}`),
    freedBytes: selected.reduce((sum, {sizeBytes}) => sum + sizeBytes, 0),
    entries: selected.map(({step, fingerprint, createdAt, sizeBytes}) => ({
      step,
      fingerprint,
      createdAt,
      sizeBytes,
      artifacts: [],
    })),
  };
}
