import {createHash} from 'node:crypto';
import {createReadStream, createWriteStream} from 'node:fs';
import {mkdtemp, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {pipeline} from 'node:stream/promises';
import {z} from 'zod';
import {StreamByteReader} from '../archive/byte-reader.ts';
import {readTarMembers} from '../archive/tar-reader.ts';
import type {DockerImages} from '../docker/images.ts';
import {PipelineError} from '../errors.ts';
import {linkedPath} from './docker-archive.ts';
import type {ImageSpool, SpooledImage} from './image-spool.ts';
import {formatImageReference, type ImageReference} from './reference.ts';

const Manifest = z.array(z.object({Config: z.string(), Layers: z.array(z.string()).nullable()})).length(1);

/** What is looked into; everything else in a saved image is a layer. */
const mostJsonBytes = 16 * 1024 * 1024;

/**
 * Takes an image out of an engine.
 *
 * @param parent A folder with room for its layers.
 * @throws PipelineError `IMAGE_UNAVAILABLE` when the engine does not have it.
 */
export async function spoolFromEngine(
  images: DockerImages,
  reference: ImageReference,
  spool: ImageSpool,
  parent: string,
): Promise<SpooledImage> {
  const name = engineName(reference);
  const found = await images.find(name);
  if (found === undefined) {
    throw new PipelineError('IMAGE_UNAVAILABLE', `the engine does not have the image ${name}`, {
      hint: `Pull it first (docker pull ${name}), or fetch it from its registry with --from registry.`,
    });
  }
  const folder = await mkdtemp(join(parent, '.saved-'));
  try {
    const saved = await unpackSaved(await images.save(name), folder);
    return await takeOver(reference, saved, spool);
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}

/** The name by which an engine knows an image: that of an image without a registry is short. */
function engineName({registry, repository, tag, digest}: ImageReference): string {
  const short = registry === 'docker.io' ? repository.replace(/^library\//, '') : `${registry}/${repository}`;
  return digest === undefined ? `${short}:${tag ?? 'latest'}` : `${short}@${digest}`;
}

interface SavedFile {
  readonly path: string;
  readonly digest: string;
}

interface SavedImage {
  readonly files: ReadonlyMap<string, SavedFile>;
  readonly links: ReadonlyMap<string, string>;
  readonly texts: ReadonlyMap<string, Buffer>;
}

/** Unpacks a saved image, each file under a number, because its names need not be safe. */
async function unpackSaved(stream: NodeJS.ReadableStream, folder: string): Promise<SavedImage> {
  const files = new Map<string, SavedFile>();
  const links = new Map<string, string>();
  const texts = new Map<string, Buffer>();
  for await (const member of readTarMembers(new StreamByteReader(stream as AsyncIterable<Buffer>))) {
    if (member.type === 'symlink' || member.type === 'hardlink') {
      links.set(member.path, linkedPath(member.path, member.linkTarget, member.type));
    }
    if (member.type !== 'file') continue;
    const path = join(folder, String(files.size));
    const hash = createHash('sha256');
    const pieces: Buffer[] = [];
    await pipeline(async function* () {
      for await (const piece of member.content()) {
        hash.update(piece);
        if (
          member.sizeBytes <= mostJsonBytes &&
          (pieces.length > 0 || piece[0] === 0x7b || piece[0] === 0x5b)
        ) {
          pieces.push(Buffer.from(piece));
        }
        // The piece lies in memory that is used again.
        yield Buffer.from(piece);
      }
    }, createWriteStream(path));
    files.set(member.path, {path, digest: `sha256:${hash.digest('hex')}`});
    if (pieces.length > 0) texts.set(member.path, Buffer.concat(pieces));
  }
  return {files, links, texts};
}

async function takeOver(
  reference: ImageReference,
  saved: SavedImage,
  spool: ImageSpool,
): Promise<SpooledImage> {
  const manifest = Manifest.safeParse(parse(saved.texts.get('manifest.json')));
  const [entry] = manifest.data ?? [];
  const config = entry === undefined ? undefined : saved.texts.get(entry.Config);
  if (entry === undefined || config === undefined) {
    throw new PipelineError(
      'IMAGE_UNAVAILABLE',
      `the engine saved ${formatImageReference(reference)} incompletely`,
    );
  }
  const image = spool.describe(reference, config);
  for (const [index, name] of (entry.Layers ?? []).entries()) {
    const diffId = image.layers[index] ?? '';
    const file = saved.files.get(saved.links.get(name) ?? name);
    if (file === undefined) {
      throw new PipelineError(
        'IMAGE_UNAVAILABLE',
        `the engine saved ${formatImageReference(reference)} without ${name}`,
      );
    }
    if (await spool.has(diffId)) continue;
    await spool.add(
      reference,
      diffId,
      createReadStream(file.path, {highWaterMark: 512 * 1024}) as AsyncIterable<Buffer>,
    );
  }
  return image;
}

function parse(text: Buffer | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text.toString('utf8'));
  } catch {
    return undefined;
  }
}
