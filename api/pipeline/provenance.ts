import {readFile, rename, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {redactSecrets} from '../../configs/redact.ts';
import type {Configs} from '../../configs/schema.ts';
import type {EntryReader} from '../../volumes/entry-reader.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {updateRecord} from '../components/update-work.ts';
import type {EngineInfo} from '../docker/client.ts';
import type {BaseImage} from '../engine/base-image.ts';
import type {DescribedUpdate} from './describe-updates.ts';

export const provenanceFile = 'build.json';

export interface Provenance {
  /** What is known of it: an image that was never needed has told no date. */
  readonly baseImage: Pick<BaseImage, 'identity'> & Partial<Pick<BaseImage, 'archiveDate'>>;
  readonly epoch: number;
  readonly engine: EngineInfo;
  readonly configs: Configs;
  /** Every step that the artifacts come from, in graph order. */
  readonly entries: readonly StoreEntry[];
  readonly version: string;
  readonly signal?: AbortSignal;
  readonly onNotice?: (message: string) => void;
  /** What else is stored, for what is compared with the one before. */
  readonly stored?: readonly StoreEntry[];
  /** By fingerprint of an entry that lies in a registry: which one. */
  readonly origins?: ReadonlyMap<string, string>;
}

/** Writes `build.json`: what the artifacts in a target were made from, by what, and when. */
export async function writeProvenance(
  folder: string,
  store: EntryReader,
  provenance: Provenance,
): Promise<string> {
  const path = join(folder, provenanceFile);
  const fingerprints = provenance.entries.map((entry) => entry.fingerprint);
  // What is already described need not be read from the volume again.
  if ((await readFingerprints(path)).join() === fingerprints.join()) return path;
  const {baseImage, epoch, engine, configs, entries, version, origins} = provenance;
  const updates = await updatesOf(folder, store, provenance);
  const content = {
    format: 1,
    hypriotkit: version,
    source_date_epoch: epoch,
    base_image: {
      identity: baseImage.identity,
      ...(baseImage.archiveDate !== undefined && {
        archive_date: new Date(baseImage.archiveDate * 1000).toISOString(),
      }),
    },
    engine: {version: engine.version, architecture: engine.architecture},
    configs: redactSecrets(configs),
    steps: entries.map((entry) => ({
      step: entry.step,
      fingerprint: entry.fingerprint,
      built_at: entry.createdAt,
      duration_ms: entry.durationMs,
      ...originOf(entry, origins),
      inputs: entry.inputs,
      artifacts: entry.files,
    })),
    packages: await readPackages(store, entries),
    ...(updates.length > 0 && {updates}),
  };
  await writeFile(`${path}.partial`, `${JSON.stringify(content, undefined, 2)}\n`);
  await rename(`${path}.partial`, path);
  return path;
}

/** What reads OTA images is loaded where there are some. */
async function updatesOf(
  folder: string,
  store: EntryReader,
  {entries, stored = [], signal = new AbortController().signal, onNotice}: Provenance,
): Promise<readonly DescribedUpdate[]> {
  if (!entries.some(({files}) => files.some(({name}) => name === updateRecord))) return [];
  const {describeUpdates} = await import('./describe-updates.ts');
  return describeUpdates({reader: store, stored, folder, signal, onNotice}, entries);
}

function originOf(entry: StoreEntry, origins: Provenance['origins']): {from?: string} {
  const from = origins?.get(entry.fingerprint) ?? entry.origin;
  return from === undefined ? {} : {from};
}

async function readFingerprints(path: string): Promise<string[]> {
  try {
    const content = JSON.parse(await readFile(path, 'utf8')) as {steps: {fingerprint: string}[]};
    return content.steps.map((step) => step.fingerprint);
  } catch {
    // Absent, or no file of ours: it is written anew.
    return [];
  }
}

/** The Debian packages that each step put into its output, from its `packages.tsv`. */
async function readPackages(
  store: EntryReader,
  entries: readonly StoreEntry[],
): Promise<Record<string, unknown[]>> {
  const lists = await Promise.all(
    entries
      .filter((entry) => entry.files.some((file) => file.name === 'packages.tsv'))
      .map(
        async (entry) => [entry.step, parsePackages(await store.readText(entry, 'packages.tsv'))] as const,
      ),
  );
  return Object.fromEntries(lists);
}

function parsePackages(text: string): unknown[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [name, version, architecture, sha256] = line.split('\t');
      return {name, version, architecture, sha256};
    });
}
