import {createReadStream} from 'node:fs';
import {open} from 'node:fs/promises';
import {posix} from 'node:path';
import {pipeline} from 'node:stream/promises';
import {buffer} from 'node:stream/consumers';
import {createGunzip} from 'node:zlib';
import {extract} from 'tar-stream';
import {z} from 'zod';

/** Descriptions of images are small; layers need not be kept to find out what an archive is. */
const largestDescription = 256 * 1024;
const mostDescriptions = 2000;

const DockerManifest = z.array(z.object({Config: z.string()})).min(1);
const OciIndex = z.object({manifests: z.array(z.object({digest: z.string()})).min(1)});
const OciManifest = z.object({config: z.object({digest: z.string()})});
const ImageConfig = z.object({architecture: z.string(), os: z.string().optional()});

/**
 * Why a file cannot be loaded by the Docker engine of a card, as the rest of a sentence that names it.
 *
 * Reads archives of `docker save` (image specification v1.2: manifest.json) and OCI layouts in a tar (image-layout.md:
 * index.json), with or without gzip. Only files of a few kilobytes are kept in memory.
 */
export async function findImageArchiveProblem(
  file: string,
  architecture: string,
): Promise<string | undefined> {
  const wanted = 'must be an archive of `docker save` or an OCI layout in a tar';
  let files: ReadonlyMap<string, Buffer>;
  try {
    files = await readDescriptions(file);
  } catch {
    return `${wanted}: it is no complete tar archive`;
  }
  const configs = configNames(files);
  if (configs === undefined)
    return `${wanted}: it has no manifest.json and no index.json that describes an image`;
  for (const name of configs) {
    const config = ImageConfig.safeParse(parseJson(files.get(name)));
    if (!config.success)
      return `${wanted}: the description of an image, ${name}, is missing in it or damaged`;
    const {architecture: found} = config.data;
    if (found !== architecture) return `is an image for ${found}, but the card needs one for ${architecture}`;
  }
  return undefined;
}

/** Where the archive has the description of each of its images; undefined when it says nothing of images. */
function configNames(files: ReadonlyMap<string, Buffer>): readonly string[] | undefined {
  const docker = DockerManifest.safeParse(parseJson(files.get('manifest.json')));
  if (docker.success) return docker.data.map(({Config: name}) => posix.normalize(name));
  const index = OciIndex.safeParse(parseJson(files.get('index.json')));
  if (!index.success) return undefined;
  const names = index.data.manifests.map(({digest}) =>
    OciManifest.safeParse(parseJson(files.get(blob(digest)))),
  );
  if (names.some((manifest) => !manifest.success)) return undefined;
  return names.flatMap((manifest) => (manifest.success ? [blob(manifest.data.config.digest)] : []));
}

function blob(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

async function readDescriptions(file: string): Promise<ReadonlyMap<string, Buffer>> {
  const archive = extract();
  const found = new Map<string, Buffer>();
  const source = createReadStream(file, {highWaterMark: 1024 ** 2});
  const reading = (await isGzip(file))
    ? pipeline(source, createGunzip(), archive)
    : pipeline(source, archive);
  // Its error comes out of the loop below, too; here it must only not be unhandled.
  reading.catch(() => undefined);
  let entries = 0;
  for await (const entry of archive) {
    const {name, size, type} = entry.header;
    entries++;
    if (type === 'file' && size <= largestDescription && found.size < mostDescriptions) {
      found.set(posix.normalize(name), await buffer(entry));
    } else {
      entry.resume();
    }
  }
  await reading;
  if (entries === 0) throw new Error('no entries');
  return found;
}

async function isGzip(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const {buffer: head} = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return head[0] === 0x1f && head[1] === 0x8b;
  } finally {
    await handle.close();
  }
}

function parseJson(content: Buffer | undefined): unknown {
  try {
    return content === undefined ? undefined : JSON.parse(content.toString('utf8'));
  } catch {
    return undefined;
  }
}
