import {mkdtemp, rm, stat} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {EntryReader} from '../../volumes/entry-reader.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {updateRecord} from '../components/update-work.ts';
import {diffImages, type DiffOptions} from '../ota/image/diff/diff-images.ts';
import {ImageReader} from '../ota/image/read/image-reader.ts';
import {UpdateRecord} from '../updates/update-record.ts';
import {fetchFile} from './verify-copies.ts';

/** An update in build.json, with what a device with the one before has to download for it. */
export interface DescribedUpdate extends UpdateRecord {
  /** Absent where the store has no other one for the same ECUs. */
  readonly previous?: UpdateDifference;
}

/** In the spelling of build.json. Every ECU of an update has the same root file system. */
export interface UpdateDifference {
  readonly artifact: UpdateRecord['artifact'];
  readonly built_at: string;
  readonly download: {readonly blobs: number; readonly bytes: number};
  /** What a device that has nothing would download. */
  readonly whole: {readonly blobs: number; readonly bytes: number};
  readonly paths: readonly {
    readonly path: string;
    readonly size_bytes: number;
    /** Stored bytes that no path before it has brought along. */
    readonly download_bytes: number;
  }[];
  readonly removed: readonly string[];
}

/** Where updates are found. */
export interface UpdatePlaces {
  readonly reader: EntryReader;
  /** What they may be compared with. */
  readonly stored: readonly StoreEntry[];
  /** Where they have been delivered to. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Told what could not be compared with; default: nobody. */
  readonly onNotice?: ((message: string) => void) | undefined;
}

/** Describes the OTA images among some entries, each compared with the newest one before it. */
export async function describeUpdates(
  places: UpdatePlaces,
  entries: readonly StoreEntry[],
): Promise<readonly DescribedUpdate[]> {
  const described: DescribedUpdate[] = [];
  for (const entry of entries) {
    const record = await readRecord(places.reader, entry);
    if (record === undefined) continue;
    const previous = await findPrevious(places, entry, record);
    described.push({...record, ...(previous !== undefined && {previous})});
  }
  return described;
}

async function readRecord(reader: EntryReader, entry: StoreEntry): Promise<UpdateRecord | undefined> {
  if (!entry.files.some(({name}) => name === updateRecord)) return undefined;
  return UpdateRecord.safeParse(JSON.parse(await reader.readText(entry, updateRecord))).data;
}

async function findPrevious(
  places: UpdatePlaces,
  entry: StoreEntry,
  record: UpdateRecord,
): Promise<UpdateDifference | undefined> {
  const candidates = places.stored
    .filter(({step, createdAt}) => step === entry.step && createdAt < entry.createdAt)
    .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  for (const candidate of candidates) {
    try {
      const difference = await compareWith(places, candidate, entry, record);
      if (difference !== undefined) return difference;
    } catch (error) {
      // Damaged, made by another version, in a volume that cannot be read now: no reason for a build to fail.
      places.signal.throwIfAborted();
      const {message} = error as Error;
      places.onNotice?.(
        `the update of ${candidate.createdAt} cannot be read, so build.json does not compare with it: ${message}`,
      );
    }
  }
  return undefined;
}

async function compareWith(
  places: UpdatePlaces,
  candidate: StoreEntry,
  entry: StoreEntry,
  record: UpdateRecord,
): Promise<UpdateDifference | undefined> {
  const before = await readRecord(places.reader, candidate);
  const ecuId = before?.ecu_ids.find((id) => record.ecu_ids.includes(id));
  if (before === undefined || ecuId === undefined || before.release_key !== record.release_key)
    return undefined;
  if (before.artifact.sha256 === record.artifact.sha256) return undefined;
  const scratch = await mkdtemp(join(tmpdir(), 'hypriotkit-update-'));
  try {
    const old = join(scratch, 'old.zip');
    const {name} = before.artifact;
    if (!(await fetchFile(places.reader, candidate, name, old, places.signal)))
      throw new Error(`${name} is gone or damaged`);
    const now = await findArtifact(places, entry, record, scratch);
    if (now === undefined) throw new Error(`${record.artifact.name} is gone or damaged`);
    const difference = await compare(old, now, {ecuId, releaseKey: record.release_key});
    return {artifact: before.artifact, built_at: candidate.createdAt, ...difference};
  } finally {
    await rm(scratch, {recursive: true, force: true});
  }
}

/** What has been delivered need not be copied out of the volume again. */
async function findArtifact(
  {reader, folder, signal}: UpdatePlaces,
  entry: StoreEntry,
  {artifact}: UpdateRecord,
  scratch: string,
): Promise<string | undefined> {
  const delivered = join(folder, artifact.name);
  const found = await stat(delivered).catch(() => undefined);
  if (found?.isFile() === true && found.size === artifact.size_bytes) return delivered;
  const copy = join(scratch, 'new.zip');
  return (await fetchFile(reader, entry, artifact.name, copy, signal)) ? copy : undefined;
}

async function compare(old: string, now: string, options: DiffOptions) {
  await using a = await ImageReader.open(old);
  await using b = await ImageReader.open(now);
  const diff = await diffImages(a, b, options);
  return {
    download: {blobs: diff.blobs, bytes: diff.bytes},
    whole: {blobs: diff.allBlobs, bytes: diff.allBytes},
    paths: diff.paths.map(({path, sizeBytes, downloadBytes}) => ({
      path,
      size_bytes: sizeBytes,
      download_bytes: downloadBytes,
    })),
    removed: diff.removed,
  };
}
