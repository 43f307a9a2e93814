import {readFile, stat} from 'node:fs/promises';
import {dirname, join, resolve} from 'node:path';
import {z} from 'zod';
import {ArtifactStore} from '../../volumes/artifact-store.ts';
import {StoredFile, type StoreEntry} from '../../volumes/store-entry.ts';
import {openSession, volumeExists} from '../engine/open-session.ts';
import {parseVolumeReference} from '../engine/volume-reference.ts';
import {PipelineError} from '../errors.ts';
import {defaultVolume} from '../options.ts';
import {FingerprintInputs} from './fingerprint.ts';
import {provenanceFile} from './provenance.ts';
import type {VerifyOptions} from './verify-result.ts';

/** One step as it was built first. */
export interface ReferenceStep {
  readonly inputs: unknown;
  readonly files: readonly StoredFile[];
}

/** What a second build is compared with. */
export interface Reference {
  /** Where it comes from, for people. */
  readonly label: string;
  /** `SOURCE_DATE_EPOCH` of the first build, when it is known. */
  readonly epoch: number | undefined;
  readonly steps: ReadonlyMap<string, ReferenceStep>;
  /** A folder in which the artifacts may lie. */
  readonly folder: string | undefined;
}

/** What is read of `build.json`. */
const Build = z.object({
  format: z.literal(1),
  source_date_epoch: z.number(),
  steps: z.array(z.object({step: z.string(), inputs: z.unknown(), artifacts: z.array(StoredFile)})),
});

/**
 * Finds what the second build should be the same as: the `build.json` that is named, else that of the target, else the
 * newest entries of the volume.
 *
 * @throws PipelineError `USAGE` when there is nothing to compare with.
 */
export async function findReference(options: VerifyOptions): Promise<Reference> {
  if (options.against !== undefined) return readBuild(options.against);
  const volume = parseVolumeReference(options.volume ?? defaultVolume);
  const target = options.target ?? (volume.kind === 'folder' ? volume.path : undefined);
  if (target !== undefined && (await isFile(join(target, provenanceFile)))) return readBuild(target);
  return readNewestEntries(options);
}

/** @param path a `build.json` or a folder that has one. */
export async function readBuild(path: string): Promise<Reference> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
  const file = resolve(isFolder ? join(path, provenanceFile) : path);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new PipelineError('USAGE', `${file} cannot be read: ${(error as Error).message}`, {
      hint: `It is written by every build with a target: name that folder or the ${provenanceFile} in it.`,
      cause: error,
    });
  }
  const build = parseBuild(text);
  if (build === undefined) {
    throw new PipelineError('USAGE', `${file} is no ${provenanceFile} of this version of hypriotkit`);
  }
  return {
    label: file,
    epoch: build.source_date_epoch,
    steps: new Map(build.steps.map(({step, inputs, artifacts}) => [step, {inputs, files: artifacts}])),
    folder: dirname(file),
  };
}

function parseBuild(text: string): z.infer<typeof Build> | undefined {
  try {
    return Build.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

async function readNewestEntries(options: VerifyOptions): Promise<Reference> {
  await using session = await openSession(options);
  const entries = (await volumeExists(session))
    ? await new ArtifactStore(session).entries()
    : new Map<string, StoreEntry>();
  if (entries.size === 0) {
    throw new PipelineError(
      'USAGE',
      `there is nothing to compare with: the volume ${session.label} holds no artifacts`,
      {
        hint: `Build first, or name the ${provenanceFile} of another build with --against.`,
      },
    );
  }
  const newest = newestBySteps([...entries.values()]);
  const epochs = [...newest.values()].map(({inputs}) => FingerprintInputs.safeParse(inputs).data?.epoch);
  return {
    label: `the newest artifacts in the volume ${session.label}`,
    epoch: epochs.every((epoch) => epoch === epochs[0]) ? epochs[0] : undefined,
    steps: newest,
    folder: undefined,
  };
}

/** The newest entry of each step. */
export function newestBySteps(entries: readonly StoreEntry[]): ReadonlyMap<string, StoreEntry> {
  const newest = new Map<string, StoreEntry>();
  for (const entry of entries) {
    const known = newest.get(entry.step);
    if (known === undefined || known.createdAt < entry.createdAt) newest.set(entry.step, entry);
  }
  return newest;
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}
