import type {Lock, LockedContent} from '../../configs/lock-file.ts';
import type {SourceVersion} from '../components/content-work.ts';
import type {Step} from '../components/step.ts';
import {parseSourceList, renderSourceList} from '../content/source-list.ts';

/**
 * What the lock says of the content of a card, as the step that would look it up writes it: where everything is there in
 * the version that is locked, nothing has to be fetched to know what it is.
 */
export function lockedSources(lock: Lock | undefined, steps: readonly Step[]): ReadonlyMap<string, string> {
  const lists = new Map<string, string>();
  for (const {name, client} of steps) {
    if (client?.kind !== 'content-sources') continue;
    const known = client.sources.flatMap((source) => {
      const locked = lockedContent(lock, source.name);
      return locked !== undefined && locked.version === source.version
        ? [{name: source.name, sha256: locked.sha256, sizeBytes: locked.size}]
        : [];
    });
    if (known.length === client.sources.length) lists.set(name, renderSourceList(known));
  }
  return lists;
}

/** The content as a lock has it. */
export function lockContent(sources: readonly SourceVersion[], list: string): Record<string, LockedContent> {
  const found = new Map(parseSourceList(list).map((one) => [one.name, one]));
  return Object.fromEntries(
    sources.flatMap(({name, version}) => {
      const pin = found.get(name);
      return pin === undefined ? [] : [[name, {version, sha256: pin.sha256, size: pin.sizeBytes}]];
    }),
  );
}

export function lockedContent(lock: Lock | undefined, name: string): LockedContent | undefined {
  return lock?.content !== undefined && Object.hasOwn(lock.content, name) ? lock.content[name] : undefined;
}
