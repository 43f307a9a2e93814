import {mkdir, mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import type {WorkFolder} from '../../volumes/artifact-store.ts';
import {kernelArchive} from '../components/ota-bundler.ts';
import type {ContentWork} from '../components/content-work.ts';
import type {Step} from '../components/step.ts';
import type {UpdateWork} from '../components/update-work.ts';
import {UpdateError} from '../updates/update-error.ts';
import type {UpdateInputs} from '../updates/update-request.ts';
import {Pool} from '../pool.ts';
import {fetchCard, fetchInto, holderOf} from './fetch-card.ts';
import type {RunContext} from './run-context.ts';
import {sendOutputs} from './send-outputs.ts';
import type {StepLog} from './step-log.ts';

/** What making something on the client needs of a run. */
type ClientContext = Pick<
  RunContext,
  'session' | 'store' | 'signal' | 'epoch' | 'signing' | 'offline' | 'emit'
>;

/** Each of them wants every core, and room for the content of a card. */
const oneAtATime = new Pool(1);

/**
 * Makes the outputs of a step here, and puts them into its work folder: what needs the user's key must not run in a
 * container, and what is downloaded goes through the user's cache. Inputs come out of the volume by way of the engine's API, so that the engine may be on another machine.
 *
 * @throws UpdateError for what is wrong in an input; PipelineError `ARTIFACT_CORRUPT` for a damaged one.
 */
export async function makeOnClient(
  step: Step & {readonly client: UpdateWork | ContentWork},
  inputs: ReadonlyMap<string, StoreEntry>,
  work: WorkFolder,
  context: ClientContext,
  log: StepLog,
): Promise<void> {
  const {client} = step;
  if (client.kind === 'content-sources') {
    // Beside everything else: it waits for servers.
    const {makeSourceList} = await import('./make-content.ts');
    return makeSourceList(client, work, context, log);
  }
  await oneAtATime.run(async () => {
    context.signal.throwIfAborted();
    const scratch = await mkdtemp(join(tmpdir(), 'hypriotkit-update-'));
    try {
      const outputs = join(scratch, 'outputs');
      await mkdir(outputs);
      const places = {scratch, outputs};
      const names =
        client.kind === 'content'
          ? await (await import('./make-content.ts')).makeContent(client, inputs, places, context, log)
          : await makeUpdateOf({...step, client}, inputs, places, context, log);
      log.progress('sending it to the engine');
      await sendOutputs(outputs, names, work, context);
    } finally {
      await rm(scratch, {recursive: true, force: true});
    }
  });
}

async function makeUpdateOf(
  {name, client, files = []}: Step & {readonly client: UpdateWork},
  entries: ReadonlyMap<string, StoreEntry>,
  {scratch, outputs: folder}: {readonly scratch: string; readonly outputs: string},
  context: ClientContext,
  log: StepLog,
): Promise<readonly string[]> {
  const {epoch, signing, signal, emit} = context;
  const inputs = await fetchInputs(client, entries, scratch, context, log);
  const {makeUpdate} = await import('../updates/make-update.ts');
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
      return {
        kernel: await fetch(kernel.entry, kernel.file.name),
        card: await fetchCard(entries, scratch, context),
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
