import type {WorkFolder} from '../../volumes/artifact-store.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {formatByteSize} from '../../configs/human-units.ts';
import {openCache} from '../cache/download-cache.ts';
import type {FillWork, SourcesWork} from '../components/content-work.ts';
import {packageList} from '../components/step.ts';
import type {ContentEvent, ContentPhase} from '../content/content-event.ts';
import type {Progress} from '../download/download-event.ts';
import {fetchSources} from '../content/fetch-sources.ts';
import {fillCard} from '../content/fill-card.ts';
import {parseSourceList, renderSourceList} from '../content/source-list.ts';
import {PipelineError} from '../errors.ts';
import {fetchCard, holderOf} from './fetch-card.ts';
import type {RunContext} from './run-context.ts';
import type {StepLog} from './step-log.ts';

type ContentContext = Pick<RunContext, 'store' | 'signal' | 'epoch' | 'offline' | 'emit'>;

/**
 * Downloads the content of a card into the user's cache, and writes the list of what it is into the work folder.
 *
 * @throws PipelineError `DOWNLOAD_FAILED`, and `SOURCE_MISSING` in an offline build.
 */
export async function makeSourceList(
  {config, sources}: SourcesWork,
  work: WorkFolder,
  {store, signal, offline, emit}: ContentContext,
  log: StepLog,
): Promise<void> {
  // A strict build has the list from the lock.
  if (offline && sources.length > 0)
    throw new PipelineError(
      'SOURCE_MISSING',
      'the build is offline, and the lock does not say what the content is',
    );
  const cache = sources.length === 0 ? undefined : await openCache();
  const versions = new Map(sources.map(({name, version}) => [name, version]));
  const onEvent = describeEvents(log, emit);
  const found = await fetchSources(config, versions, {cache, signal, onEvent});
  await store.writeWork(work, packageList, renderSourceList(found));
}

/**
 * Fills the card.
 *
 * @returns names of the files that are now in the folder for outputs.
 * @throws PipelineError
 */
export async function makeContent(
  {config, artifact}: FillWork,
  inputs: ReadonlyMap<string, StoreEntry>,
  {scratch, outputs}: {readonly scratch: string; readonly outputs: string},
  context: ContentContext,
  log: StepLog,
): Promise<readonly string[]> {
  const {store, epoch, offline, signal, emit} = context;
  const entries = [...inputs.values()];
  const list = holderOf(entries, (name) => name === packageList);
  const sources = parseSourceList(await store.readText(list.entry, packageList));
  log.progress('fetching the image of the card');
  const {path: card} = await fetchCard(entries, scratch, context);
  const say = onlyNew(log.progress);
  return fillCard({
    config,
    sources,
    card,
    folder: outputs,
    artifact,
    cache: sources.length === 0 ? undefined : await openCache(),
    isOffline: offline,
    epoch,
    signal,
    onEvent: describeEvents(log, emit),
    onPacking: (part) => say(`packing${tenths(part)}`),
  });
}

const phases: Readonly<Record<ContentPhase, string>> = {
  check: 'looking at the content',
  download: 'fetching content',
  images: 'fetching container images',
  unpack: 'copying the card',
  resize: 'growing the data partition',
  fill: 'filling the card',
  verify: 'checking the file system',
};

/** Says what is done, and each tenth of it: every message is a line where nothing can be overwritten. */
function describeEvents(log: StepLog, emit: RunContext['emit']): (event: ContentEvent) => void {
  const say = onlyNew(log.progress);
  let lastTenth = 0;
  return (event) => {
    switch (event.type) {
      case 'content-phase-started':
        say(phases[event.phase]);
        return;
      case 'content-progress':
        if (event.totalBytes !== undefined)
          say(`${phases[event.phase]}${tenths(event.doneBytes / event.totalBytes)}`);
        return;
      case 'download-started':
        say(`fetching ${event.url}`);
        return;
      case 'download-progress': {
        const {doneBytes, totalBytes = 0} = event.overall;
        const tenth = totalBytes === 0 ? 0 : Math.floor((doneBytes / totalBytes) * 10);
        // With a rate, two are never the same.
        if (tenth > lastTenth) say(describeProgress(event.overall, tenth));
        lastTenth = tenth;
        return;
      }
      case 'download-retried':
        emit({
          type: 'notice',
          level: 'warning',
          message: `content_image: ${event.reason}; ${event.url} is asked again`,
        });
        return;
      case 'notice':
        emit(event);
        return;
      default:
        return;
    }
  };
}

/** `fetching content, 40 % of 678 MiB, 88 MiB/s, 5 s left` */
function describeProgress({totalBytes = 0, bytesPerSecond, secondsLeft}: Progress, tenth: number): string {
  const parts = [`fetching content, ${tenth}0 % of ${formatByteSize(totalBytes)}`];
  if (bytesPerSecond > 0) parts.push(`${formatByteSize(bytesPerSecond)}/s`);
  if (secondsLeft !== undefined) parts.push(`${Math.ceil(secondsLeft)} s left`);
  return parts.join(', ');
}

function tenths(part: number): string {
  const whole = Math.floor(part * 10);
  return whole > 0 ? `, ${whole}0 %` : '';
}

function onlyNew(say: (message: string) => void): (message: string) => void {
  let last = '';
  return (message) => {
    if (message !== last) say(message);
    last = message;
  };
}
