import {mkdir, mkdtemp, open, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {StoreEntry, StoredFile} from '../../volumes/store-entry.ts';
import type {WorkFolder} from '../../volumes/artifact-store.ts';
import {kernelArchive} from '../components/ota-bundler.ts';
import type {Step} from '../components/step.ts';
import type {UpdateWork} from '../components/update-work.ts';
import {unpackZip} from '../disk/unpack.ts';
import {PipelineError} from '../errors.ts';
import {UpdateError} from '../updates/update-error.ts';
import type {UpdateInputs} from '../updates/update-request.ts';
import {Pool} from '../pool.ts';
import type {RunContext} from './run-context.ts';
import {sendOutputs} from './send-outputs.ts';
import type {StepLog} from './step-log.ts';
import {unpackBeside} from './unpack-beside.ts';
import {fetchFile} from './verify-copies.ts';

/** What making something on the client needs of a run. */
type ClientContext = Pick<RunContext, 'session' | 'store' | 'signal' | 'epoch' | 'signing' | 'emit'>;

/** Each of them wants every core, and room for the content of a card. */
const oneAtATime = new Pool(1);

/**
 * Makes the outputs of a step here, and puts them into its work folder: what needs the user's key must not run in a
 * container. Inputs come out of the volume by way of the engine's API, so that the engine may be on another machine.
 *
 * @throws UpdateError for what is wrong in an input; PipelineError `ARTIFACT_CORRUPT` for a damaged one.
 */
export async function makeOnClient(
  step: Step & {readonly client: UpdateWork},
  inputs: ReadonlyMap<string, StoreEntry>,
  work: WorkFolder,
  context: ClientContext,
  log: StepLog,
): Promise<void> {
  await oneAtATime.run(async () => {
    context.signal.throwIfAborted();
    const scratch = await mkdtemp(join(tmpdir(), 'hypriotkit-update-'));
    try {
      const outputs = join(scratch, 'outputs');
      const fetched = await fetchInputs(step.client, inputs, scratch, context, log);
      const names = await make(step, fetched, outputs, context, log);
      log.progress('sending it to the engine');
      await sendOutputs(outputs, names, work, context);
    } finally {
      await rm(scratch, {recursive: true, force: true});
    }
  });
}

async function make(
  {name, client, files = []}: Step & {readonly client: UpdateWork},
  inputs: UpdateInputs,
  folder: string,
  {epoch, signing, signal, emit}: ClientContext,
  log: StepLog,
): Promise<readonly string[]> {
  const {makeUpdate} = await import('../updates/make-update.ts');
  await mkdir(folder);
  try {
    return await makeUpdate(client, {
      folder,
      inputs,
      files,
      signing,
      epoch,
      signal,
      onProgress: log.progress,
      onNotice: (message) => emit({type: 'notice', level: 'warning', message: `${name}: ${message}`}),
    });
  } catch (error) {
    signal.throwIfAborted();
    throw UpdateError.from(error);
  }
}

async function fetchInputs(
  work: UpdateWork,
  inputs: ReadonlyMap<string, StoreEntry>,
  scratch: string,
  context: ClientContext,
  log: StepLog,
): Promise<UpdateInputs> {
  const entries = [...inputs.values()];
  const fetch = (entry: StoreEntry, name: string) => fetchInto(scratch, entry, name, context);
  switch (work.kind) {
    case 'image':
    case 'legacy': {
      log.progress('fetching the image of the card');
      const kernel = holderOf(entries, (name) => name === kernelArchive);
      const card = holderOf(entries, isCard);
      return {
        kernel: await fetch(kernel.entry, kernel.file.name),
        card: await fetchCard(card.entry, scratch, context),
      };
    }
    case 'offline': {
      log.progress(`fetching ${work.image}`);
      const {entry, file} = holderOf(entries, (name) => name === work.image);
      return {image: await fetch(entry, file.name)};
    }
    case 'agent-bundle':
      return {};
  }
}

/** As the image is called, packed or not. */
const isCard = (name: string) => /\.img(?:\.zst|\.zip)?$/.test(name);

/** The image of a card, unpacked here: two thirds of the way of an image that is packed need not be gone. */
async function fetchCard(entry: StoreEntry, scratch: string, context: ClientContext) {
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

async function fetchInto(
  scratch: string,
  entry: StoreEntry,
  name: string,
  context: ClientContext,
): Promise<string> {
  const path = join(scratch, name);
  await fetchTo(path, entry, name, context);
  return path;
}

async function fetchTo(path: string, entry: StoreEntry, name: string, context: ClientContext): Promise<void> {
  const {store, signal} = context;
  if (await fetchFile(store, entry, name, path, signal)) return;
  throw new PipelineError('ARTIFACT_CORRUPT', `${name} of ${entry.step} is damaged in the volume`, {
    hint: 'Run the same command again: it will be built again.',
  });
}

function holderOf(entries: readonly StoreEntry[], matches: (name: string) => boolean) {
  for (const entry of entries) {
    const file = entry.files.find(({name}) => matches(name));
    if (file !== undefined) return {entry, file};
  }
  throw new Error('an input lacks what its step promises');
}
