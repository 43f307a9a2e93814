import {createHash} from 'node:crypto';
import {createWriteStream} from 'node:fs';
import {pipeline} from 'node:stream/promises';
import {z} from 'zod';
import {ArchiveError} from '../archive/archive-error.ts';
import {StreamByteReader} from '../archive/byte-reader.ts';
import {decompressFile, detectCompression} from '../archive/decompress.ts';
import {gzipBlocks} from '../archive/gzip-blocks.ts';
import {endOfTar, formatTarHeader, zerosAfter} from '../archive/tar-format.ts';
import {readTarMembers} from '../archive/tar-reader.ts';
import type {ImageSpool, SpooledImage} from './image-spool.ts';

/**
 * Writes images as one archive that `docker load` and `podman load` take; `isPlain` leaves it uncompressed. Each layer is in
 * it once. The bytes depend on the images alone, and not on where they came from.
 */
export async function writeDockerArchive(
  path: string,
  images: readonly SpooledImage[],
  spool: ImageSpool,
  {isPlain = false}: {readonly isPlain?: boolean} = {},
): Promise<void> {
  const tar = dockerArchive(images, spool);
  await pipeline(isPlain ? tar : gzipBlocks(tar), createWriteStream(path, {flags: 'wx'}));
}

/** The same as plain tar, piece by piece. */
export async function* dockerArchive(
  images: readonly SpooledImage[],
  spool: ImageSpool,
): AsyncGenerator<Uint8Array, void> {
  const configs = new Map<string, Buffer>(images.map(({id, config}) => [`${hexOf(id)}.json`, config]));
  const layers = new Map<string, string>(
    images.flatMap(({layers: ids}) => ids.map((id) => [`${hexOf(id)}.tar`, id] as const)),
  );
  for (const name of [...configs.keys(), ...layers.keys()].sort()) {
    const config = configs.get(name);
    const layer = layers.get(name) ?? '';
    const sizeBytes = config?.length ?? (await spool.sizeOf(layer));
    yield formatTarHeader({path: name, type: 'file', sizeBytes});
    if (config !== undefined) yield config;
    else yield* spool.open(layer) as AsyncIterable<Buffer>;
    yield zerosAfter(sizeBytes);
  }
  const manifest = Buffer.from(JSON.stringify(manifestOf(images)));
  yield formatTarHeader({path: 'manifest.json', type: 'file', sizeBytes: manifest.length});
  yield manifest;
  yield zerosAfter(manifest.length);
  yield endOfTar;
}

/** One entry for each image, sorted, with all its names. */
function manifestOf(images: readonly SpooledImage[]) {
  const ids = [...new Set(images.map(({id}) => id))].sort();
  return ids.map((id) => {
    const same = images.filter((image) => image.id === id);
    const names = same.flatMap(({name}) => name ?? []);
    return {
      Config: `${hexOf(id)}.json`,
      RepoTags: names.length === 0 ? null : [...new Set(names)].sort(),
      Layers: same[0]?.layers.map((layer) => `${hexOf(layer)}.tar`) ?? [],
    };
  });
}

/** An image that an archive holds. */
export interface ArchivedImage {
  /** Digest of its configuration. */
  readonly id: string;
  readonly names: readonly string[];
  readonly platform: string;
  readonly layers: number;
}

const Manifest = z.array(
  z.object({
    Config: z.string(),
    RepoTags: z.array(z.string()).nullish(),
    Layers: z.array(z.string()).nullable(),
  }),
);
const Config = z.object({
  os: z.string(),
  architecture: z.string(),
  variant: z.string().optional(),
  rootfs: z.object({diff_ids: z.array(z.string())}),
});

/** Configurations and manifests are small; layers are hashed and not kept. */
const mostJsonBytes = 16 * 1024 * 1024;

/**
 * Reads an archive of `docker save`, `podman save` or {@link writeDockerArchive} from front to back, and checks every
 * layer against the configuration that names it.
 *
 * @throws ArchiveError when something is damaged, missing or not what its digest says.
 */
export async function readDockerArchive(path: string): Promise<readonly ArchivedImage[]> {
  const digests = new Map<string, string>();
  const texts = new Map<string, Buffer>();
  const links = new Map<string, string>();
  const stream = decompressFile(path, await detectCompression(path));
  for await (const member of readTarMembers(new StreamByteReader(stream))) {
    if (member.type === 'symlink' || member.type === 'hardlink') {
      links.set(member.path, linkedPath(member.path, member.linkTarget, member.type));
    }
    if (member.type !== 'file') continue;
    const hash = createHash('sha256');
    const pieces: Buffer[] = [];
    const keep = member.sizeBytes <= mostJsonBytes && !member.path.endsWith('.tar');
    for await (const piece of member.content()) {
      hash.update(piece);
      if (keep && isJson(member.path, pieces, piece)) pieces.push(Buffer.from(piece));
    }
    digests.set(member.path, `sha256:${hash.digest('hex')}`);
    if (pieces.length > 0) texts.set(member.path, Buffer.concat(pieces));
  }
  const manifest = Manifest.safeParse(jsonOf(texts.get('manifest.json')));
  if (!manifest.success) throw new ArchiveError('it has no manifest.json of a docker archive');
  return manifest.data.map((entry) => {
    const config = Config.safeParse(jsonOf(texts.get(entry.Config)));
    const id = digests.get(entry.Config);
    if (!config.success || id === undefined)
      throw new ArchiveError(`it lacks the configuration ${entry.Config}`);
    checkName(entry.Config, id);
    const {os, architecture, variant, rootfs} = config.data;
    const layers = entry.Layers ?? [];
    if (layers.length !== rootfs.diff_ids.length)
      throw new ArchiveError(`${entry.Config} has another number of layers`);
    for (const [index, name] of layers.entries()) {
      const found = digests.get(links.get(name) ?? name);
      if (found === undefined) throw new ArchiveError(`it lacks the layer ${name}`);
      if (found !== rootfs.diff_ids[index])
        throw new ArchiveError(`the layer ${name} has other content (${found})`);
    }
    const platform = [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');
    return {id, names: entry.RepoTags ?? [], platform, layers: layers.length};
  });
}

/** A configuration that is named by its digest must have it. */
function checkName(name: string, id: string): void {
  const [hex] = /[0-9a-f]{64}/.exec(name) ?? [];
  if (hex !== undefined && `sha256:${hex}` !== id)
    throw new ArchiveError(`${name} has other content (${id})`);
}

/** Whether what has come of a member so far may be JSON: layers of newer engines have no ending in their names. */
function isJson(path: string, before: readonly Buffer[], piece: Buffer): boolean {
  if (before.length > 0) return true;
  const first = piece[0];
  return path.endsWith('.json') || first === 0x7b || first === 0x5b;
}

function jsonOf(text: Buffer | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Engines write a layer that two images share as a link: `../<id>/layer.tar`. */
export function linkedPath(path: string, target: string, type: 'symlink' | 'hardlink'): string {
  if (type === 'hardlink') return target;
  const parts = path.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.' && part !== '') parts.push(part);
  }
  return parts.join('/');
}

function hexOf(digest: string): string {
  return digest.slice('sha256:'.length);
}
