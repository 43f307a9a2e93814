import type {LockedSource, Lock, LockedTool, LockedTools} from './lock-file.ts';

/** What differs between two locks, one sentence each, for people: what was, and what is now. */
export function diffLocks(before: Lock, now: Lock): string[] {
  const lines: string[] = [];
  if (before.source_date_epoch !== now.source_date_epoch) {
    lines.push(`date of the archive ${day(before.source_date_epoch)} → ${day(now.source_date_epoch)}`);
  }
  if (before.base_image.from !== now.base_image.from) {
    lines.push(`base_image: ${before.base_image.from} → ${now.base_image.from}`);
  }
  lines.push(
    ...diffToolsByArchitecture('base_image', before.base_image.architectures, now.base_image.architectures),
  );
  lines.push(
    ...diffToolsByArchitecture('boot', before.boot?.architectures ?? {}, now.boot?.architectures ?? {}),
  );
  for (const field of sortedUnion(before.sources ?? {}, now.sources ?? {})) {
    lines.push(...diffSource(field, before.sources?.[field], now.sources?.[field]));
  }
  for (const name of sortedUnion(before.images ?? {}, now.images ?? {})) {
    const [old, current] = [before.images?.[name]?.digest, now.images?.[name]?.digest];
    if (current === undefined) lines.push(`${name}: no longer locked`);
    else if (old === undefined) lines.push(`${name}: ${shortDigest(current)}, new in the lock`);
    else if (old !== current) lines.push(`${name}: ${shortDigest(old)} → ${shortDigest(current)}`);
  }
  for (const name of sortedUnion(before.content ?? {}, now.content ?? {})) {
    const [old, current] = [before.content?.[name]?.sha256, now.content?.[name]?.sha256];
    if (current === undefined) lines.push(`${name}: no longer locked`);
    else if (old === undefined) lines.push(`${name}: ${current.slice(0, 12)}, new in the lock`);
    else if (old !== current) lines.push(`${name}: ${old.slice(0, 12)} → ${current.slice(0, 12)}`);
  }
  for (const component of sortedUnion(before.components, now.components)) {
    const old = before.components[component];
    const current = now.components[component];
    if (current === undefined) lines.push(`${component}: no longer locked`);
    else if (old === undefined)
      lines.push(`${component}: ${current.packages.length} packages, new in the lock`);
    else lines.push(...diffPackages(old.packages, current.packages).map((line) => `${component}: ${line}`));
  }
  return lines;
}

function shortDigest(digest: string): string {
  return digest.slice(0, 'sha256:'.length + 12);
}

function diffSource(
  field: string,
  before: LockedSource | undefined,
  now: LockedSource | undefined,
): string[] {
  const show = ({repository, ref, commit}: LockedSource) => `${repository}#${ref} ${commit.slice(0, 12)}`;
  if (now === undefined) return [`${field}: no longer locked`];
  if (before === undefined) return [`${field}: ${show(now)}, new in the lock`];
  if (before.repository === now.repository && before.ref === now.ref) {
    return before.commit === now.commit
      ? []
      : [`${field}: ${now.ref} ${before.commit.slice(0, 12)} → ${now.commit.slice(0, 12)}`];
  }
  return [`${field}: ${show(before)} → ${show(now)}`];
}

function diffToolsByArchitecture(
  image: string,
  before: Readonly<Record<string, LockedTools>>,
  now: Readonly<Record<string, LockedTools>>,
): string[] {
  return sortedUnion(before, now).flatMap((architecture) => {
    const [old, current] = [before[architecture], now[architecture]];
    // An engine of another architecture adds its own; it changes nothing.
    if (old === undefined || current === undefined) return [];
    const lines = diffTools(image, old.packages, current.packages);
    const isRebuilt =
      lines.length === 0 && old.image !== undefined && old.image.content !== current.image?.content;
    return isRebuilt ? [`${image}: another image of the same packages`] : lines;
  });
}

/** The same for the packages of an image with tools. */
export function diffTools(
  image: string,
  before: readonly LockedTool[],
  now: readonly LockedTool[],
): string[] {
  return diffPackages(before, now).map((line) => `${image}: ${line}`);
}

function diffPackages(before: readonly LockedTool[], now: readonly LockedTool[]): string[] {
  const digests = new Map(before.map((item) => [keyOf(item), item]));
  const versions = (items: readonly LockedTool[]) =>
    new Map(items.map((item) => [keyOf(item), item.version]));
  const rebuilt = now
    .filter((item) => digests.get(keyOf(item))?.version === item.version)
    .filter((item) => digests.get(keyOf(item))?.sha256 !== item.sha256)
    .map((item) => `${keyOf(item)} ${item.version} has another SHA-256`);
  return [...diffVersions(versions(before), versions(now)), ...rebuilt].sort();
}

/** `all` and the target's architecture are told apart only where a package moves from one to the other. */
function keyOf({name}: LockedTool): string {
  return name;
}

function diffVersions(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): string[] {
  return [...new Set([...before.keys(), ...now.keys()])].sort().flatMap((name) => {
    const old = before.get(name);
    const current = now.get(name);
    if (old === current) return [];
    if (old === undefined) return [`${name} added, ${current ?? ''}`];
    return [current === undefined ? `${name} removed, was ${old}` : `${name} ${old} → ${current}`];
  });
}

function sortedUnion(a: object, b: object): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
}

function day(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
