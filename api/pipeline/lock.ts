import {createHash} from 'node:crypto';
import {dirname, join, resolve} from 'node:path';
import type {ResolvedConfigs} from '../../configs/load-config.ts';
import {
  lockFileName,
  parsePackageList,
  renderPackageList,
  type Lock,
  type LockedComponent,
  type LockedTools,
} from '../../configs/lock-file.ts';
import type {ConfigOptions} from '../options.ts';
import type {EntryReader} from '../../volumes/entry-reader.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import type {CardContent} from '../components/content-work.ts';
import type {ImagePins, Pins} from '../components/pins.ts';
import {packageList, type Step} from '../components/step.ts';
import {lockImages} from './pin-images.ts';
import {lockContent} from './lock-content.ts';
import {lockSources} from './pin-sources.ts';

/** Where the lock of a configuration lies: where it is said to, beside the user's configs.json, else in the target. */
export function lockLocation(
  resolved: Pick<ResolvedConfigs, 'file'>,
  {lockFile, target}: Pick<ConfigOptions, 'lockFile' | 'target'>,
): string | undefined {
  if (lockFile !== undefined) return resolve(lockFile);
  if (resolved.file !== undefined) return join(dirname(resolved.file), lockFileName);
  return target === undefined ? undefined : join(resolve(target), lockFileName);
}

/** What a lock says about some steps. */
export interface LockedLists {
  /** By step that resolves: the content of the `list.tsv` that the lock has for it. */
  readonly lists: ReadonlyMap<string, string>;
  /**
   * For the other steps: the list that the lock had for them, if it was for the same suite and architecture. Resolving
   * again stays as close to it as it can, so that a new package does not change all others.
   */
  readonly previous: ReadonlyMap<string, string>;
  /** Why the lock does not say everything, one sentence each: what the configuration asks for has changed. */
  readonly differences: readonly string[];
}

/**
 * Takes the lists out of a lock for those steps that ask for the same as when it was made. A list that builds on
 * another one (`rpi_sd_image` on `root_fs`) counts only together with it.
 *
 * @param steps In the order of the graph.
 */
export function lockedLists(lock: Lock | undefined, steps: readonly Step[]): LockedLists {
  const lists = new Map<string, string>();
  const previous = new Map<string, string>();
  const differences: string[] = [];
  const resolving = new Set(steps.filter((step) => step.resolves).map((step) => step.name));
  for (const step of steps) {
    if (!step.resolves) continue;
    const locked = lock && Object.hasOwn(lock.components, step.component) && lock.components[step.component];
    if (!locked) {
      differences.push(`${step.component} is not in the lock`);
      continue;
    }
    const open = step.inputs.filter((input) => resolving.has(input) && !lists.has(input));
    const found = diffRequests(step, locked.request, request(step, lists));
    if (open.length === 0 && found.length === 0) {
      lists.set(step.name, renderPackageList(locked.packages));
    } else {
      const now = request(step, lists);
      if (archive.every((name) => locked.request[name] === now[name])) {
        previous.set(step.name, renderPackageList(locked.packages));
      }
      differences.push(...(open.length > 0 ? [`${step.component} builds on what has changed`] : found));
    }
  }
  return {lists, previous, differences};
}

/** Settings that name an archive: the packages of one say nothing about those of another. */
const archive = ['BUILD_ARCH', 'VARIANT', 'SUITE'];

/** What a step asks for: the lock holds for as long as this stays the same. */
function request(step: Step, lists: ReadonlyMap<string, string>): Record<string, string> {
  return {
    ...Object.fromEntries(step.settings.map(({variable, value}) => [variable, value])),
    ...Object.fromEntries(step.inputs.map((input) => [input, sha256(lists.get(input) ?? '')])),
  };
}

function diffRequests(
  step: Step,
  before: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
): string[] {
  const fields = new Map(step.settings.map(({variable, field}) => [variable, field]));
  return [...new Set([...Object.keys(before), ...Object.keys(now)])].sort().flatMap((name) => {
    const [old, current] = [before[name], now[name]];
    if (old === current) return [];
    if (step.inputs.includes(name)) return [`${step.component} builds on another list of ${name}`];
    if (name === 'PACKAGES') return [`${fields.get(name) ?? name} ${diffWords(old ?? '', current ?? '')}`];
    return [`${fields.get(name) ?? name} ${JSON.stringify(old ?? '')} → ${JSON.stringify(current ?? '')}`];
  });
}

/** `+added -removed`, for two lists with a space between the items. */
function diffWords(before: string, now: string): string {
  const [old, current] = [before.split(' '), now.split(' ')];
  return [
    ...current.filter((word) => !old.includes(word)).map((word) => `+${word}`),
    ...old.filter((word) => !current.includes(word)).map((word) => `-${word}`),
  ].join(' ');
}

/** What a new lock is made of. */
export interface LockSource {
  readonly store: EntryReader;
  readonly steps: readonly Step[];
  /** The finished entries, by step. */
  readonly entries: ReadonlyMap<string, StoreEntry>;
  readonly epoch: number;
  readonly from: string;
  readonly architecture: string;
  /** Undefined where they are those of `previous`. */
  readonly baseTools: LockedTools | undefined;
  readonly pins: Pins;
  readonly imagePins: ImagePins;
  readonly content?: CardContent | undefined;
  /** What it says about components and architectures that are not part of this run stays. */
  readonly previous: Lock | undefined;
}

/** The lock of what has been built. */
export async function makeLock(source: LockSource): Promise<Lock> {
  const {store, steps, entries, previous, pins, imagePins} = source;
  const lists = new Map<string, string>();
  const components: Record<string, LockedComponent> = {...previous?.components};
  for (const step of steps) {
    const entry = entries.get(step.name);
    if (!step.resolves || entry === undefined) continue;
    const list = await store.readText(entry, packageList);
    lists.set(step.name, list);
    components[step.component] = {request: request(step, lists), packages: parsePackageList(list)};
  }
  const fetched = await sourceListOf(source);
  const content =
    fetched && source.content ? lockContent(source.content.sources, fetched) : previous?.content;
  return {
    format: 2,
    source_date_epoch: source.epoch,
    base_image: {
      from: source.from,
      architectures: {
        ...previous?.base_image.architectures,
        ...(source.baseTools && {[source.architecture]: source.baseTools}),
      },
    },
    ...(previous?.boot && {boot: previous.boot}),
    // A repository that the configuration no longer names says nothing about what is built.
    ...(pins.size > 0 && {sources: lockSources(pins)}),
    ...(imagePins.size > 0 && {images: lockImages(imagePins)}),
    ...(content !== undefined && Object.keys(content).length > 0 && {content}),
    components,
  };
}

/** What the sources of a content image have turned out to be, where they were part of the run. */
async function sourceListOf({store, steps, entries}: LockSource): Promise<string | undefined> {
  const step = steps.find(({client}) => client?.kind === 'content-sources');
  const entry = step && entries.get(step.name);
  return entry && store.readText(entry, packageList);
}

function sha256(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}
