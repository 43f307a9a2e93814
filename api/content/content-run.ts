import {mkdir, mkdtemp, rename, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join, resolve} from 'node:path';
import {publishFile} from '../archive/publish-file.ts';
import type {DownloadCache} from '../cache/download-cache.ts';
import {download} from '../download/download.ts';
import type {Downloaded} from '../download/download-request.ts';
import {PipelineError} from '../errors.ts';
import type {ImageSource} from '../registry/image-source.ts';
import {assembleImage, type AssembledImage} from './assemble-image.ts';
import type {ContentConfig} from './content-config.ts';
import {inPhase, type ContentListener} from './content-event.ts';
import {exportFromTar} from './exported-tar.ts';
import {checkFreeSpace} from './free-space.ts';
import {fetchImages, type ExportedImage, type FetchedImages} from './oci-images.ts';
import {findBuiltImage, planContent, type ContentPlan} from './plan-content.ts';
import {chooseImageSize, type SizedItem} from './sizes.ts';

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

/** What a run needs besides a configuration. */
export interface ContentRunOptions {
  /** Absolute; what is there stays until the new image is complete. */
  readonly output: string;
  readonly cache: DownloadCache | undefined;
  readonly registry: ImageSource;
  readonly signal: AbortSignal;
  /** Seconds since 1970. */
  readonly now: number;
  /** For temporary files, and for downloads that are not complete. A temporary folder of its own when absent. */
  readonly buildDir?: string | undefined;
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
  /** Builds the image of a configs.json. When absent, it must have been built. */
  readonly buildBase?: ((configs: string) => Promise<string>) | undefined;
  readonly onEvent?: ContentListener | undefined;
}

/**
 * Makes the image of a configuration, or looks whether it could be made.
 *
 * @throws PipelineError as `createContentImage` does.
 */
export function runContent(config: ContentConfig, options: ContentRunOptions): Promise<ContentResult> {
  return new ContentRun(config, options).run();
}

class ContentRun {
  readonly #config: ContentConfig;
  readonly #options: ContentRunOptions;
  readonly #emit: ContentListener;

  constructor(config: ContentConfig, options: ContentRunOptions) {
    this.#config = config;
    this.#options = options;
    this.#emit = options.onEvent ?? (() => undefined);
  }

  async run(): Promise<ContentResult> {
    const {output} = this.#options;
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
    const {cache, registry, signal} = this.#options;
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
    const {cache, output} = this.#options;
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
    const {cache, registry, signal, output, now} = this.#options;
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
    const {cache, signal} = this.#options;
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
