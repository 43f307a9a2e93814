import {constants} from 'node:fs';
import {access, lstat} from 'node:fs/promises';
import {dirname, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {ConfigIssue} from '../../configs/config-error.ts';
import type {CacheEntry} from '../cache/cache-entry.ts';
import {openCache, type DownloadCache} from '../cache/download-cache.ts';
import {PipelineError} from '../errors.ts';
import {epochFromUser} from '../pipeline/source-date-epoch.ts';
import {RegistryClient} from '../registry/registry-client.ts';
import type {ContentConfig} from './content-config.ts';
import {runContent, type ContentResult, type ContentRunOptions} from './content-run.ts';
import {E2fs} from './e2fs.ts';
import {readContentConfig} from './read-config.ts';

export interface ContentOptions extends Omit<ContentRunOptions, 'cache' | 'registry' | 'signal' | 'now'> {
  /** A path, or an http(s) address. */
  readonly config: string;
  /** Where the image goes. */
  readonly output: string;
  /** Keeps downloads for later runs. Without it nothing is kept. */
  readonly cacheDir?: string | undefined;
  /** Folder of the official releases. */
  readonly releases?: string | undefined;
  /** Seconds since 1970 that everything in the image is dated; also from SOURCE_DATE_EPOCH. Now when absent. */
  readonly sourceDateEpoch?: number | undefined;
  /** Registries that are spoken to without TLS. */
  readonly insecureRegistries?: readonly string[] | undefined;
  /** Called with what is in the cache before anything is done. */
  readonly onCache?: ((cache: DownloadCache, entries: readonly CacheEntry[]) => void) | undefined;
  readonly onWarnings?: ((warnings: readonly ConfigIssue[]) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

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
  return await runContent(loaded.config, {...options, output, cache, registry, signal, now});
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
