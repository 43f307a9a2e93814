import {randomBytes} from 'node:crypto';
import {mkdtemp, rm} from 'node:fs/promises';
import {hostname, tmpdir} from 'node:os';
import {join} from 'node:path';
import type {ResolvedConfigs} from '../../configs/load-config.ts';
import {readLock} from '../../configs/lock-file.ts';
import {ArtifactStore} from '../../volumes/artifact-store.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import type {Difference} from '../disk/difference.ts';
import {compareArtifacts, type ComparisonRoom} from '../disk/compare-artifacts.ts';
import {contentLabelValue, label} from '../docker/labels.ts';
import {openSession} from '../engine/open-session.ts';
import type {EngineSession} from '../engine/session.ts';
import {removeStaleRuns} from '../engine/stale-runs.ts';
import {PipelineError} from '../errors.ts';
import {build} from './build.ts';
import {loadProject} from './load-project.ts';
import {FingerprintInputs} from './fingerprint.ts';
import {selectSteps, type Selection} from './select-steps.ts';
import {lockLocation} from './lock.ts';
import {epochFromUser} from './source-date-epoch.ts';
import {compareDigests, compareInputs} from './verify-artifacts.ts';
import {fetchFile, OldCopies, unpackZstd} from './verify-copies.ts';
import {findReference, newestBySteps, type Reference} from './verify-reference.ts';
import type {VerifiedArtifact, VerifyOptions, VerifyResult} from './verify-result.ts';
import {filterByVerbosity} from './verbosity.ts';
import {ensureImage} from './volume.ts';

/** Places that are named for one artifact; the first is the one that counts. */
const mostDifferences = 8;

/** A volume without a living run this young may belong to one that is just starting. */
const graceMs = 10 * 60_000;

/** Value of the role label on the volume of a second build, which tells later runs that nobody wants it any more. */
const verifyRole = 'verify';

/**
 * Builds again in a private, empty volume and compares every artifact with what an earlier build made. For what
 * differs it finds the first place: partition, file, offset, and what such a difference usually comes from.
 *
 * @returns `identical: false` for a difference; that is a result, not an exception.
 * @throws PipelineError what `build` throws, and `USAGE` when there is nothing to compare with.
 *
 * @example
 * const {identical, artifacts} = await verify({target: './out'});
 */
export async function verify(options: VerifyOptions = {}): Promise<VerifyResult> {
  const startedMs = Date.now();
  const resolved = await loadProject(options);
  const selection = selectSteps(resolved, options.components);
  const reference = await findReference(options);
  const volume = `hypriotkit-verify-${randomBytes(5).toString('hex')}`;
  const session = await openSession({...options, volume});
  let made = false;
  try {
    await removeStaleVolumes(session);
    const baseImage = await ensureImage({...options, volume});
    await session.volumes.create(volume, {
      [label.content]: contentLabelValue,
      ...(options.keep !== true && {[label.role]: verifyRole}),
    });
    made = true;
    session.useBaseImage(baseImage);
    // Starts the attendant: as long as it has the volume, no other run takes that for left over.
    await session.run('true', []);
    await buildAgain(options, resolved, reference, volume);
    const comparison = new Comparison({options, selection, reference, session, baseImage});
    return {
      ...(await comparison.run()),
      ...(options.keep === true && {volume}),
      durationMs: Date.now() - startedMs,
    };
  } catch (error) {
    if (!options.signal?.aborted || error instanceof PipelineError) throw error;
    throw new PipelineError('INTERRUPTED', 'stopped', {cause: error});
  } finally {
    await session.close();
    if (made && options.keep !== true) await session.volumes.remove(volume);
  }
}

/** With the settings and the epoch of the first build, into nothing but the private volume. */
async function buildAgain(
  options: VerifyOptions,
  resolved: ResolvedConfigs,
  reference: Reference,
  volume: string,
): Promise<void> {
  const {target: _target, config: _config, against: _against, keep: _keep, ...rest} = options;
  const lockFile = lockLocation(resolved, options);
  const isLocked = lockFile !== undefined && (await readLock(lockFile)) !== undefined;
  const epoch = epochFromUser(options.sourceDateEpoch) ?? reference.epoch;
  await build({
    ...rest,
    volume,
    ...(resolved.file !== undefined && {config: resolved.file}),
    // The same packages: what the mirror has today is another question.
    ...(isLocked && {lockFile, locked: true}),
    ...(epoch !== undefined && {sourceDateEpoch: epoch}),
  });
}

/** Removes the volumes of verifications that were killed. The engine refuses where a container uses one. */
async function removeStaleVolumes(session: EngineSession): Promise<void> {
  await removeStaleRuns(session);
  const found = await session.volumes.list(`${label.role}=${verifyRole}`);
  const old = found.filter(
    ({createdAt}) => createdAt !== undefined && Date.now() - createdAt.getTime() > graceMs,
  );
  await Promise.all(old.map(({name}) => session.volumes.remove(name)));
}

interface ComparisonOptions {
  readonly options: VerifyOptions;
  readonly selection: Selection;
  readonly reference: Reference;
  /** On the private volume. */
  readonly session: EngineSession;
  readonly baseImage: string;
}

/** Compares the finished second build with the first. */
class Comparison {
  readonly #given: ComparisonOptions;
  readonly #store: ArtifactStore;
  readonly #signal: AbortSignal;

  constructor(given: ComparisonOptions) {
    this.#given = given;
    this.#store = new ArtifactStore(given.session);
    this.#signal = given.options.signal ?? new AbortController().signal;
  }

  async run(): Promise<Pick<VerifyResult, 'reference' | 'identical' | 'artifacts' | 'changedInputs'>> {
    const {selection, reference} = this.#given;
    const entries = newestBySteps([...(await this.#store.entries()).values()]);
    const compared = compareDigests(selection.steps, reference, entries);
    return {
      reference: reference.label,
      identical: compared.every(({status}) => status === 'same'),
      artifacts: await this.#findPlaces(compared, entries),
      changedInputs: compareInputs(selection.steps, reference, entries),
    };
  }

  async #findPlaces(
    artifacts: readonly VerifiedArtifact[],
    entries: ReadonlyMap<string, StoreEntry>,
  ): Promise<VerifiedArtifact[]> {
    const {options, reference, baseImage} = this.#given;
    const folder = await mkdtemp(join(tmpdir(), 'hypriotkit-verify-'));
    await using copies = new OldCopies(options, reference.folder, baseImage);
    try {
      const located: VerifiedArtifact[] = [];
      for (const artifact of artifacts) {
        const entry = entries.get(artifact.step);
        const needsPlaces = artifact.status === 'different' && artifact.because === undefined;
        located.push(
          needsPlaces && entry !== undefined ? await this.#locate(artifact, entry, copies, folder) : artifact,
        );
      }
      return located;
    } finally {
      await rm(folder, {recursive: true, force: true});
    }
  }

  async #locate(
    artifact: VerifiedArtifact,
    entry: StoreEntry,
    copies: OldCopies,
    folder: string,
  ): Promise<VerifiedArtifact> {
    this.#say(`looking for the first difference in ${artifact.name} of ${artifact.step}`);
    const [oldCopy, newCopy] = [join(folder, 'old'), join(folder, 'new')];
    const before = await copies.find(artifact.name, artifact.before ?? '', oldCopy, this.#signal);
    if (before === undefined) {
      return {
        ...artifact,
        note: `only its digest is known: a copy of the first ${artifact.name} in the target would show where it differs`,
      };
    }
    if (!(await fetchFile(this.#store, entry, artifact.name, newCopy, this.#signal))) {
      throw new PipelineError(
        'ARTIFACT_CORRUPT',
        `${artifact.name} of ${artifact.step} is damaged in the volume`,
      );
    }
    const differences: Difference[] = [];
    let more = false;
    for await (const difference of compareArtifacts(
      artifact.name,
      before,
      newCopy,
      this.#room(folder, entry),
    )) {
      this.#signal.throwIfAborted();
      more = differences.length === mostDifferences;
      if (more) break;
      differences.push(difference);
    }
    return {...artifact, differences, more};
  }

  #room(folder: string, entry: StoreEntry): ComparisonRoom {
    const {session} = this.#given;
    return {
      folder,
      clues: {
        nowSeconds: Date.now() / 1000,
        hostNames: [hostname(), session.engine.name],
        epochs: this.#epochs(entry),
      },
      unpackZstd: (from, to) => unpackZstd(session, this.#store, from, to),
    };
  }

  /** The epochs of both builds, where they differ. */
  #epochs(entry: StoreEntry): number[] {
    const before = this.#given.reference.epoch;
    const after = FingerprintInputs.safeParse(entry.inputs).data?.epoch;
    return before === undefined || after === undefined || before === after ? [] : [before, after];
  }

  #say(message: string): void {
    filterByVerbosity(
      this.#given.options.verbosity ?? 'quiet',
      this.#given.options.onEvent,
    )({
      type: 'notice',
      level: 'info',
      message,
    });
  }
}
