import {constants} from 'node:fs';
import {access, lstat, mkdir, mkdtemp, rename, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {ConfigIssue} from '../../configs/config-error.ts';
import {publishFile} from '../archive/publish-file.ts';
import type {CacheEntry} from '../cache/cache-entry.ts';
import {openCache, type DownloadCache} from '../cache/download-cache.ts';
import {download} from '../download/download.ts';
import type {Downloaded} from '../download/download-request.ts';
import {PipelineError} from '../errors.ts';
import {epochFromUser} from '../pipeline/source-date-epoch.ts';
import type {ImageSource} from '../registry/image-source.ts';
import {RegistryClient} from '../registry/registry-client.ts';
import {assembleImage, type AssembledImage} from './assemble-image.ts';
import type {ContentConfig} from './content-config.ts';
import {inPhase, type ContentListener} from './content-event.ts';
import {E2fs} from './e2fs.ts';
import {exportFromTar} from './exported-tar.ts';
import {checkFreeSpace} from './free-space.ts';
import {fetchImages, type ExportedImage, type FetchedImages} from './oci-images.ts';
import {findBuiltImage, planContent, type ContentPlan} from './plan-content.ts';
import {readContentConfig} from './read-config.ts';
import {chooseImageSize, type SizedItem} from './sizes.ts';

export interface ContentOptions {
  /** A path, or an http(s) address. */
  readonly config: string;
  /** Where the image goes. */
  readonly output: string;
  /** For temporary files, and for downloads that are not complete. A temporary folder of its own when absent. */
  readonly buildDir?: string | undefined;
  /** Keeps downloads for later runs. Without it nothing is kept. */
  readonly cacheDir?: string | undefined;
  /** Only look whether everything is there and fits. */
  readonly isCheck?: boolean | undefined;
  /** Keep an image that could not be finished, as OUTPUT.incomplete. */
  readonly keep?: boolean | undefined;
  /** Replace an existing output, once the new one is complete. */
  readonly overwrite?: boolean | undefined;
  /** Downloads at once; 0 or absent: 4. */
  readonly concurrency?: number | undefined;
  /** The image may not be larger, in bytes. */
  readonly maxBytes?: number | undefined;
  /** Folder of the official releases. */
  readonly releases?: string | undefined;
  /** Seconds since 1970 that everything in the image is dated; also from SOURCE_DATE_EPOCH. Now when absent. */
  readonly sourceDateEpoch?: number | undefined;
  /** Registries that are spoken to without TLS. */
  readonly insecureRegistries?: readonly string[] | undefined;
  /** Builds the image of a configs.json. When absent, it must have been built. */
  readonly buildBase?: ((configs: string) => Promise<string>) | undefined;
  /** Called with what is in the cache before anything is done. */
  readonly onCache?: ((cache: DownloadCache, entries: readonly CacheEntry[]) => void) | undefined;
  readonly onEvent?: ContentListener | undefined;
  readonly onWarnings?: ((warnings: readonly ConfigIssue[]) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A content image, or what one would be. */
export interface ContentResult extends Partial<AssembledImage> {
  readonly output: string;
  readonly isWritten: boolean;
  readonly imageBytes: number;
  /** What takes room in it. */
  readonly items: readonly SizedItem[];
  /** Content bytes that came over the network. */
  readonly receivedBytes: number;
}

const defaultConcurrency = 4;

/**
 * Fills a base image with files, archives and container images. Needs no root, no loop devices and no mounts. What is at
 * `output` stays until the new image is complete.
 *
 * @example
 * await createContentImage({config: 'image.yaml', output: 'offspot.img', cacheDir: '/var/cache/offspot'});
 * @throws ConfigError; PipelineError `TOOL_MISSING`, `OUTPUT_EXISTS`, `OUTPUT_UNUSABLE`, `SOURCE_MISSING`,
 *   `CONTENT_TOO_LARGE`, `CONTENT_INVALID`, `NO_SPACE`, `DOWNLOAD_FAILED`, `REGISTRY_FAILED`, `IMAGE_UNUSABLE`,
 *   `CACHE_UNUSABLE`
 */
export async function createContentImage(options: ContentOptions): Promise<ContentResult> {
  const signal = options.signal ?? new AbortController().signal;
  const now = epochFromUser(options.sourceDateEpoch) ?? Math.floor(Date.now() / 1000);
  await E2fs.require();
  const loaded = await readContentConfig(options.config, {releases: options.releases, signal});
  options.onWarnings?.(loaded.warnings);
  const output = resolve(options.output.replace(/^~(?=\/)/, process.env['HOME'] ?? '~'));
  await checkOutput(output, loaded.config, options.overwrite ?? false);
  const cache = await openCacheOf(options);
  if (cache !== undefined) options.onCache?.(cache, await cache.list());
  await using registry = new RegistryClient({insecureRegistries: options.insecureRegistries, signal});
  const run = new ContentRun(options, loaded.config, {output, cache, registry, signal, now});
  return await run.run();
}

interface RunContext {
  readonly output: string;
  readonly cache: DownloadCache | undefined;
  readonly registry: ImageSource;
  readonly signal: AbortSignal;
  /** Seconds since 1970. */
  readonly now: number;
}

class ContentRun {
  readonly #options: ContentOptions;
  readonly #config: ContentConfig;
  readonly #context: RunContext;
  readonly #emit: ContentListener;

  constructor(options: ContentOptions, config: ContentConfig, context: RunContext) {
    this.#options = options;
    this.#config = config;
    this.#context = context;
    this.#emit = options.onEvent ?? (() => undefined);
  }

  async run(): Promise<ContentResult> {
    const {output} = this.#context;
    const plan = await inPhase('check', this.#emit, () => this.#plan());
    const imageBytes = this.#imageSize(plan, plan.items);
    await this.#checkSpace(plan, imageBytes);
    if (this.#options.isCheck === true)
      return {output, isWritten: false, imageBytes, items: plan.items, receivedBytes: 0};
    const scratch = await this.#makeScratch();
    let isDone = false;
    try {
      const result = await this.#create(plan, scratch.folder);
      isDone = true;
      return result;
    } finally {
      // What an own folder has of a download is continued by the next run.
      if (scratch.isOwn || isDone) await rm(scratch.folder, {recursive: true, force: true});
    }
  }

  async #plan(): Promise<ContentPlan> {
    const {cache, registry, signal} = this.#context;
    const config = this.#config;
    return planContent(config, {
      cache,
      registry,
      signal,
      concurrency: this.#concurrency,
      pipelineImage: async (path) => {
        const {buildBase, isCheck} = this.#options;
        const found =
          buildBase === undefined || isCheck === true ? await findBuiltImage(path) : await buildBase(path);
        if (found !== undefined) return found;
        throw new PipelineError('SOURCE_MISSING', `there is no image that was built from ${path}`, {
          hint: `Build it first: hypriotkit build --target ${dirname(path)}`,
        });
      },
    });
  }

  get #concurrency(): number {
    return this.#options.concurrency || defaultConcurrency;
  }

  #imageSize({base}: ContentPlan, items: readonly SizedItem[]): number {
    const {outputBytes, shrink} = this.#config;
    const {layout, rootBytes: found} = base.start;
    // A data partition begins where the table says; a wrong number in the configuration must not cut the image.
    const rootBytes = Math.max(found, layout.dataFolder === '/' ? 0 : (this.#config.base.rootBytes ?? 0));
    const baseBytes = Math.max(layout.sizeBytes, base.sizeBytes ?? 0);
    return chooseImageSize(
      {baseBytes, rootBytes, items},
      {outputBytes, shrink, maxBytes: this.#options.maxBytes},
    );
  }

  async #checkSpace(plan: ContentPlan, imageBytes: number): Promise<void> {
    const {cache, output} = this.#context;
    const downloads = [plan.base, ...plan.downloads.values()].filter(
      ({request, isCached}) => !isCached && !request.url.startsWith('file:'),
    );
    const sizes = downloads.map(({request, sizeBytes = 0}) => ({
      kind: 'file' as const,
      source: request.url,
      sizeBytes,
    }));
    const kept = (await cache?.admit(sizes)) ?? [];
    const sum = (isKept: boolean) =>
      sizes.reduce(
        (total, {sizeBytes}, index) => total + ((kept[index] ?? false) === isKept ? sizeBytes : 0),
        0,
      );
    const images = plan.items
      .filter(({name}) => name.startsWith('oci_images'))
      .reduce((total, {bytes}) => total + bytes, 0);
    await checkFreeSpace([
      {folder: dirname(output), bytes: imageBytes},
      {folder: this.#options.buildDir ?? tmpdir(), bytes: sum(false) + images},
      ...(cache === undefined ? [] : [{folder: cache.folder, bytes: sum(true)}]),
    ]);
  }

  async #makeScratch(): Promise<{folder: string; isOwn: boolean}> {
    const {buildDir} = this.#options;
    if (buildDir === undefined)
      return {folder: await mkdtemp(join(tmpdir(), 'hypriotkit-content-')), isOwn: true};
    // In a folder of its own: what else is in the one that was named is nobody's to remove.
    const folder = join(resolve(buildDir), 'hypriotkit-content');
    await mkdir(folder, {recursive: true}).catch((error: unknown) => {
      throw new PipelineError(
        'OUTPUT_UNUSABLE',
        `the folder ${buildDir} cannot be used: ${(error as Error).message}`,
        {cause: error},
      );
    });
    return {folder, isOwn: false};
  }

  async #create(plan: ContentPlan, scratch: string): Promise<ContentResult> {
    const {cache, registry, signal, output, now} = this.#context;
    const requests = [plan.base.request, ...[...plan.downloads.values()].map(({request}) => request)];
    const downloaded = await inPhase('download', this.#emit, () =>
      download(requests, {cache, scratch, concurrency: this.#concurrency, signal, onEvent: this.#emit}),
    );
    let fetched: FetchedImages | undefined;
    try {
      const byId = new Map(downloaded.map((one) => [one.id, one]));
      fetched = await this.#fetch(plan, registry, scratch);
      const exported = [...fetched.images, ...(await this.#tars(byId))];
      const images = this.#config.images.flatMap(
        (image) => exported.find((one) => one.image === image) ?? [],
      );
      const items = exactSizes(plan.items, images);
      const imageBytes = this.#imageSize(plan, items);
      await checkFreeSpace([{folder: dirname(output), bytes: imageBytes}]);
      let assembled: AssembledImage | undefined;
      await publishFile(output, {force: this.#options.overwrite}, async (temporary) => {
        try {
          assembled = await assembleImage(
            {
              base: pathOf(byId, 'base'),
              layout: plan.base.start.layout,
              imageBytes,
              mayGrow: this.#config.outputBytes === undefined || this.#config.shrink,
              maxBytes: this.#options.maxBytes ?? this.#config.outputBytes,
              images,
              files: this.#config.files.map((file) => ({
                file,
                path: byId.get(file.field)?.path,
                name: nameOf(items, file.field),
              })),
              items,
              offspot: this.#config.offspot,
              now,
            },
            {image: temporary, partition: `${temporary}-data`},
            {emit: this.#emit, signal},
          );
        } catch (error) {
          if (this.#options.keep === true)
            await rename(temporary, `${output}.incomplete`).catch(() => undefined);
          throw error;
        }
      });
      const receivedBytes =
        downloaded.reduce((sum, one) => sum + one.receivedBytes, 0) + fetched.receivedBytes;
      return {
        ...assembled,
        output,
        isWritten: true,
        imageBytes: assembled?.imageBytes ?? imageBytes,
        items,
        receivedBytes,
      };
    } finally {
      await fetched?.[Symbol.asyncDispose]();
      for (const one of downloaded) await one.release();
    }
  }

  async #fetch(plan: ContentPlan, source: ImageSource, scratch: string): Promise<FetchedImages> {
    const {cache, signal} = this.#context;
    const fetchAll = (report: (subject: string, done: number, total?: number) => void) =>
      fetchImages(plan.images, {source, cache, scratch, concurrency: this.#concurrency, report, signal});
    return plan.images.length === 0 ? fetchAll(() => undefined) : inPhase('images', this.#emit, fetchAll);
  }

  async #tars(downloaded: ReadonlyMap<string, Downloaded>): Promise<readonly ExportedImage[]> {
    const wanted = this.#config.images.filter(({url}) => url !== undefined);
    return Promise.all(wanted.map((image) => exportFromTar(image, pathOf(downloaded, image.field))));
  }
}

/** Puts what is known now in the place of what was said or guessed. */
function exactSizes(items: readonly SizedItem[], images: readonly ExportedImage[]): readonly SizedItem[] {
  return items.map((item) => {
    const found = images.find(({image}) => item.name.startsWith(`${image.field} `));
    return found === undefined
      ? item
      : {...item, bytes: found.tarBytes + found.unpackedBytes, isGuess: false};
  });
}

function nameOf(items: readonly SizedItem[], field: string): string {
  return items.find(({name}) => name.startsWith(`${field} `))?.name ?? field;
}

function pathOf(downloaded: ReadonlyMap<string, Downloaded>, id: string): string {
  const found = downloaded.get(id);
  if (found === undefined) throw new Error(`${id} was not downloaded`);
  return found.path;
}

/** Nothing is written or removed here, not even for a moment. */
async function checkOutput(output: string, {base}: ContentConfig, overwrite: boolean): Promise<void> {
  if (
    base.source.kind === 'url' &&
    base.source.url.startsWith('file:') &&
    resolve(fileURLToPath(base.source.url)) === output
  )
    throw new PipelineError('OUTPUT_UNUSABLE', `${output} is the base image itself`, {
      hint: 'Name another output.',
    });
  const found = await lstat(output).catch(() => undefined);
  if (found !== undefined && !found.isFile())
    throw new PipelineError('OUTPUT_UNUSABLE', `${output} is there already and is no file`, {
      hint: 'Name another output.',
    });
  if (found !== undefined && !overwrite)
    throw new PipelineError('OUTPUT_EXISTS', `${output} exists already`, {
      hint: 'Name another output, or add --overwrite to replace it once the new image is complete.',
    });
  await access(dirname(output), constants.W_OK).catch((error: unknown) => {
    const why =
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be written to';
    throw new PipelineError('OUTPUT_UNUSABLE', `the folder ${dirname(output)} ${why}`, {cause: error});
  });
}

async function openCacheOf({cacheDir, isCheck}: ContentOptions): Promise<DownloadCache | undefined> {
  if (cacheDir === undefined) return undefined;
  const folder = resolve(cacheDir.replace(/^~(?=\/)/, process.env['HOME'] ?? '~'));
  // A check makes nothing, no policy either.
  return openCache({folder, isReadOnly: isCheck});
}
