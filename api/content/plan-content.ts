import {readdir, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import type {DownloadCache} from '../cache/download-cache.ts';
import {probe} from '../download/download.ts';
import type {Checksum, DownloadRequest, Probe} from '../download/download-request.ts';
import {PipelineError} from '../errors.ts';
import type {ImageSource} from '../registry/image-source.ts';
import {readBaseStart, type BaseStart} from './base-start.ts';
import type {ContentConfig, ContentFile, ContentImage} from './content-config.ts';
import {inParallel} from './in-parallel.ts';
import type {ResolvedImage} from './oci-images.ts';
import {isFolder} from './resolve-config.ts';
import type {SizedItem} from './sizes.ts';

/** How much larger an image is than its packed layers; a guess until they are there. */
const guessedRatio = 3;

/** A file to download, and what is known about it. */
export interface PlannedDownload {
  readonly request: DownloadRequest;
  /** Of the file itself; undefined when nobody says. */
  readonly sizeBytes: number | undefined;
  readonly isCached: boolean;
}

/** Everything that has to be known before anything is downloaded. */
export interface ContentPlan {
  readonly base: PlannedDownload & {readonly start: BaseStart};
  /** By the field of the file or image they are for. */
  readonly downloads: ReadonlyMap<string, PlannedDownload>;
  readonly images: readonly ResolvedImage[];
  /** What takes room, for the size of the image. */
  readonly items: readonly SizedItem[];
}

export interface PlanOptions {
  readonly cache: DownloadCache | undefined;
  readonly registry: ImageSource;
  readonly concurrency: number;
  readonly signal: AbortSignal;
  /** Makes the image of a configs.json, or finds it. */
  readonly pipelineImage: (path: string) => Promise<string>;
}

/**
 * Asks for everything that a configuration names: whether it is there, and how large it is.
 *
 * @throws PipelineError `SOURCE_MISSING` with everything that is not there; `IMAGE_UNUSABLE`, `CONTENT_INVALID`.
 */
export async function planContent(config: ContentConfig, options: PlanOptions): Promise<ContentPlan> {
  const problems: string[] = [];
  const {cache, signal, concurrency} = options;
  const remote = [
    ...config.files.flatMap((file) => requestFor(file) ?? []),
    ...config.images.flatMap(({field, url}) => (url === undefined ? [] : [{id: field, url}])),
  ];
  const base = await findBase(config, options, problems);
  const probes = new Map(
    (await probe(remote, {cache, concurrency, signal})).map((found) => [found.id, found]),
  );
  for (const {isReachable, url, problem} of probes.values())
    if (!isReachable) problems.push(problem ?? `${url} cannot be reached`);
  const images = await resolveImages(config.images, options, problems);
  if (problems.length > 0 || base === undefined) throw missing(problems);
  const downloads = new Map(
    remote.map((request) => {
      const found = probes.get(request.id);
      return [request.id, {request, sizeBytes: found?.sizeBytes, isCached: found?.isCached ?? false}];
    }),
  );
  for (const file of config.files) checkSize(file, probes.get(file.field));
  const items = [
    ...config.images.flatMap((image) => sizeOfImage(image, images, probes.get(image.field))),
    ...config.files.map((file) => sizeOfFile(file, probes.get(file.field))),
  ];
  return {base, downloads, images, items};
}

function requestFor({field, source, checksum}: ContentFile): DownloadRequest | undefined {
  if (source.kind === 'content') return undefined;
  return {id: field, url: source.url, mirrors: source.mirrors, checksum};
}

function missing(problems: readonly string[]): PipelineError {
  const [first = ''] = problems;
  const what =
    problems.length === 1
      ? first
      : `${problems.length} sources:\n${problems.map((one) => `  ${one}`).join('\n')}`;
  return new PipelineError('SOURCE_MISSING', `cannot be had: ${what}`, {
    hint: 'Nothing was downloaded. Are the addresses right, and is the network there?',
  });
}

async function findBase(
  config: ContentConfig,
  options: PlanOptions,
  problems: string[],
): Promise<ContentPlan['base'] | undefined> {
  const {cache, signal} = options;
  const {source, checksum} = config.base;
  let found: {url: string; checksum: Checksum | undefined} | undefined;
  if (source.kind === 'release') found = await findRelease(source, checksum, options);
  else if (source.kind === 'url') found = {url: source.url, checksum};
  else found = {url: pathToFileURL(await options.pipelineImage(source.path)).href, checksum: undefined};
  if (found === undefined) {
    problems.push(
      `the release ${source.kind === 'release' ? source.version : ''} is not in ${source.kind === 'release' ? source.releases : ''}`,
    );
    return undefined;
  }
  const request = {id: 'base', url: found.url, checksum: found.checksum};
  const [answer] = await probe([request], {cache, signal});
  if (answer === undefined || !answer.isReachable) {
    problems.push(`the base: ${answer?.problem ?? `${found.url} cannot be reached`}`);
    return undefined;
  }
  const lease = answer.isCached ? await cache?.use({kind: 'file', source: found.url}) : undefined;
  try {
    const start = await readBaseStart(found.url, lease?.paths[0], signal);
    return {request, sizeBytes: answer.sizeBytes, isCached: answer.isCached, start};
  } catch (error) {
    if (!(error instanceof PipelineError) || error.code !== 'DOWNLOAD_FAILED') throw error;
    problems.push(`the base: ${error.message}`);
    return undefined;
  } finally {
    await lease?.release();
  }
}

/** Releases were packed once, and have had another name before that. */
async function findRelease(
  {version, releases}: {version: string; releases: string},
  checksum: Checksum | undefined,
  {cache, signal}: PlanOptions,
): Promise<{url: string; checksum: Checksum | undefined} | undefined> {
  const names = [
    `offspot-base-arm64-${version}.img.xz`,
    `offspot-base-arm64-${version}.img`,
    `base-image-${version}.img.xz`,
  ];
  const urls = names.map((name) => `${releases}${name}`);
  const asked = [...urls, ...urls.map((url) => `${url}.md5`)].map((url) => ({id: url, url}));
  const reachable = new Set(
    (await probe(asked, {cache, signal})).filter((one) => one.isReachable).map(({id}) => id),
  );
  const url = urls.find((one) => reachable.has(one));
  if (url === undefined) return undefined;
  const published: Checksum | undefined = reachable.has(`${url}.md5`)
    ? {algorithm: 'md5', value: `${url}.md5`, kind: 'url'}
    : undefined;
  return {url, checksum: checksum ?? published};
}

/** The newest card in the folder that a configs.json was built into; undefined when there is none. */
export async function findBuiltImage(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  const folder = found.isDirectory() ? path : join(path, '..');
  const names = (await readdir(folder)).filter((name) =>
    /^hypriotos-rpi64-(?!content-).*\.img(?:\.(?:zst|xz|zip))?$/.test(name),
  );
  const dated = await Promise.all(
    names.map(async (name) => ({path: join(folder, name), ms: (await stat(join(folder, name))).mtimeMs})),
  );
  // The plain one of two that are of the same build.
  return dated.sort((a, b) => b.ms - a.ms || a.path.length - b.path.length)[0]?.path;
}

async function resolveImages(
  images: readonly ContentImage[],
  {registry, concurrency}: PlanOptions,
  problems: string[],
): Promise<readonly ResolvedImage[]> {
  const wanted = images.filter(({url}) => url === undefined);
  const found: ResolvedImage[] = [];
  await inParallel(wanted, concurrency, async (image, index) => {
    try {
      found[index] = {image, manifest: await registry.resolve(image.reference, image.platform)};
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error;
      problems.push(
        [`the image ${image.name}: ${error.message}`, ...(error.hint === undefined ? [] : [error.hint])].join(
          '. ',
        ),
      );
    }
  });
  return found;
}

/** README of the reference: an archive cannot become smaller by being unpacked. */
function checkSize(file: ContentFile, found: Probe | undefined): void {
  const actual = file.source.kind === 'content' ? file.source.bytes.length : found?.sizeBytes;
  if (file.sizeBytes === undefined || actual === undefined || file.sizeBytes >= actual) return;
  throw new PipelineError(
    'CONTENT_INVALID',
    `${file.field}.size says ${file.sizeBytes} bytes, and the file itself has ${actual}`,
    {hint: 'size is the size once unpacked; leave it out for a file that is not packed.'},
  );
}

function sizeOfImage(
  image: ContentImage,
  resolved: readonly ResolvedImage[],
  found: Probe | undefined,
): SizedItem[] {
  const {field, name, tarBytes, unpackedBytes} = image;
  const manifest = resolved.find((one) => one.image === image)?.manifest;
  const packed = manifest?.layers.reduce((sum, {sizeBytes}) => sum + sizeBytes, 0) ?? 0;
  const guess = image.url === undefined ? packed * guessedRatio : (found?.sizeBytes ?? 0);
  const isGuess = tarBytes === undefined || unpackedBytes === undefined;
  return [{name: `${field} ${name}`, bytes: (tarBytes ?? guess) + (unpackedBytes ?? guess), isGuess}];
}

function sizeOfFile(file: ContentFile, found: Probe | undefined): SizedItem {
  const {field, source, sizeBytes, via} = file;
  if (source.kind === 'content')
    return {
      name: `${field} ${file.to}`,
      bytes: Math.max(sizeBytes ?? 0, source.bytes.length),
      isGuess: false,
    };
  const isPacked = isFolder(via) || via === 'zstd';
  const actual = isPacked ? (sizeBytes ?? found?.sizeBytes) : (found?.sizeBytes ?? sizeBytes);
  return {
    name: `${field} ${source.url}`,
    bytes: actual ?? 0,
    isGuess: actual === undefined || (isPacked && sizeBytes === undefined && via !== 'tar'),
  };
}
