import {open, rm} from 'node:fs/promises';
import {join} from 'node:path';
import type {StoreEntry, StoredFile} from '../../volumes/store-entry.ts';
import {unpackZip} from '../disk/unpack.ts';
import {PipelineError} from '../errors.ts';
import type {RunContext} from './run-context.ts';
import {unpackBeside} from './unpack-beside.ts';
import {fetchFile} from './verify-copies.ts';

type FetchContext = Pick<RunContext, 'store' | 'signal'>;

/** An image of a card on this machine. */
export interface FetchedCard {
  readonly path: string;
  /** As its artifact is called. */
  readonly name: string;
  readonly sha256: string;
}

/** As the image of a card is called, packed or not. */
const isCard = (name: string) => /\.img(?:\.zst|\.zip)?$/.test(name);

/**
 * The image of the card among inputs, unpacked here: two thirds of the way of an image that is packed need not be gone.
 *
 * @throws PipelineError `ARTIFACT_CORRUPT`
 */
export async function fetchCard(
  entries: readonly StoreEntry[],
  scratch: string,
  context: FetchContext,
): Promise<FetchedCard> {
  const {entry} = holderOf(entries, isCard);
  const find = (ending: string) => entry.files.find(({name}) => name.endsWith(ending));
  const [plain, zst, zip] = ['.img', '.img.zst', '.img.zip'].map(find);
  const path = join(scratch, 'card.img');
  const named = (file: StoredFile) => ({path, name: file.name, sha256: file.sha256});
  if (zst !== undefined) {
    const packed = await fetchInto(scratch, entry, zst.name, context);
    const unpacked = await unpackTo(packed, path, context.signal);
    await rm(packed);
    if (unpacked !== undefined && (plain === undefined || unpacked === plain.sha256))
      return named(plain ?? zst);
  }
  if (plain !== undefined) {
    await fetchTo(path, entry, plain.name, context);
    return named(plain);
  }
  if (zip === undefined) throw new Error(`${entry.step} has no image that can be read`);
  await unpackZip(await fetchInto(scratch, entry, zip.name, context), path);
  return named(zip);
}

async function unpackTo(packed: string, path: string, signal: AbortSignal): Promise<string | undefined> {
  const handle = await open(path, 'w');
  try {
    return await unpackBeside(packed, handle, () => signal.throwIfAborted());
  } finally {
    await handle.close();
  }
}

/** A file of an entry, in the scratch folder. */
export async function fetchInto(
  scratch: string,
  entry: StoreEntry,
  name: string,
  context: FetchContext,
): Promise<string> {
  const path = join(scratch, name);
  await fetchTo(path, entry, name, context);
  return path;
}

async function fetchTo(path: string, entry: StoreEntry, name: string, context: FetchContext): Promise<void> {
  const {store, signal} = context;
  if (await fetchFile(store, entry, name, path, signal)) return;
  throw new PipelineError('ARTIFACT_CORRUPT', `${name} of ${entry.step} is damaged in the volume`, {
    hint: 'Run the same command again: it will be built again.',
  });
}

/** The entry with a file of a matching name. */
export function holderOf(entries: readonly StoreEntry[], matches: (name: string) => boolean) {
  for (const entry of entries) {
    const file = entry.files.find(({name}) => matches(name));
    if (file !== undefined) return {entry, file};
  }
  throw new Error('an input lacks what its step promises');
}
