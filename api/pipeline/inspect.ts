import {ArtifactStore} from '../../volumes/artifact-store.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {openSession, volumeExists} from '../engine/open-session.ts';
import type {CommonOptions, PackageOptions, StoredStep, VolumeStatus} from '../options.ts';
import {artifactsOf} from './executor.ts';
import {packageVolumeStatus} from './package-volume.ts';

/** What a volume holds, and that with the packages. */
export async function status(options: CommonOptions & PackageOptions = {}): Promise<VolumeStatus> {
  const packages = await packageVolumeStatus(options);
  await using session = await openSession(options);
  if (!(await volumeExists(session)))
    return {volume: session.label, exists: false, sizeBytes: 0, entries: [], packages};
  const entries = [...(await new ArtifactStore(session).entries()).values()]
    .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))
    .map(toStoredStep);
  return {
    volume: session.label,
    exists: true,
    sizeBytes: entries.reduce((sum, entry) => sum + entry.sizeBytes, 0),
    entries,
    packages,
  };
}

/** An entry of the store as the API shows it. */
export function toStoredStep(entry: StoreEntry): StoredStep {
  return {
    step: entry.step,
    fingerprint: entry.fingerprint,
    createdAt: entry.createdAt,
    sizeBytes: entry.files.reduce((sum, file) => sum + file.sizeBytes, 0),
    artifacts: artifactsOf(entry),
  };
}
