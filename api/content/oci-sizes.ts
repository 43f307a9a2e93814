import {mkdtemp, rm, stat} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {basename, join} from 'node:path';
import {ArchiveError} from '../archive/archive-error.ts';
import {PipelineError} from '../errors.ts';
import {parsePlatform} from '../registry/image-source.ts';
import {parseImageReference} from '../registry/reference.ts';
import {RegistryClient} from '../registry/registry-client.ts';
import {readDockerArchive} from '../registry/docker-archive.ts';
import {measureTar} from './exported-tar.ts';
import {fetchImages} from './oci-images.ts';

/** Sizes of a container image, as a configuration gives them. */
export interface OciSizes {
  readonly ident: string;
  /** Of the exported tar. */
  readonly filesize: number;
  /** Of everything in it. */
  readonly fullsize: number;
}

export interface OciSizesOptions {
  /** `linux/arm64/v8` when absent. */
  readonly platform?: string | undefined;
  readonly insecureRegistries?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sizes of an image in a registry, which is fetched for it, or of an exported tar.
 *
 * @throws PipelineError `USAGE`, `REGISTRY_FAILED`, `CONTENT_INVALID`
 */
export async function getOciSizes(image: string, options: OciSizesOptions = {}): Promise<OciSizes> {
  const isFile = await stat(image).then(
    (found) => found.isFile(),
    () => false,
  );
  return isFile ? sizesOfTar(image) : sizesOfReference(image, options);
}

async function sizesOfTar(path: string): Promise<OciSizes> {
  try {
    const [first] = await readDockerArchive(path);
    const {tarBytes, unpackedBytes} = await measureTar(path);
    const ident = first?.names[0] ?? basename(path).replace(/\.tar.*$/, '');
    return {ident, filesize: tarBytes, fullsize: unpackedBytes};
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    throw new PipelineError('CONTENT_INVALID', `${path} is no exported image: ${error.message}`, {
      cause: error,
    });
  }
}

async function sizesOfReference(name: string, options: OciSizesOptions): Promise<OciSizes> {
  const {insecureRegistries, signal = new AbortController().signal} = options;
  const reference = parseImageReference(name);
  const platform = parsePlatform(options.platform ?? 'linux/arm64/v8');
  if (reference === undefined)
    throw new PipelineError('USAGE', `${name} is neither a file nor the name of an image`, {
      hint: 'Name an image as ghcr.io/offspot/base-httpd:dev, or a tar of docker save.',
    });
  if (platform === undefined)
    throw new PipelineError('USAGE', `${options.platform ?? ''} is no platform such as linux/arm64/v8`);
  const scratch = await mkdtemp(join(tmpdir(), 'hypriotkit-sizes-'));
  try {
    await using source = new RegistryClient({insecureRegistries, signal});
    const image = {
      field: 'image',
      name,
      reference,
      platform,
      url: undefined,
      tarBytes: undefined,
      unpackedBytes: undefined,
      to: '',
    };
    const resolved = [{image, manifest: await source.resolve(reference, platform)}];
    await using fetched = await fetchImages(resolved, {
      source,
      cache: undefined,
      scratch,
      concurrency: 4,
      report: () => undefined,
      signal,
    });
    const [exported] = fetched.images;
    return {ident: name, filesize: exported?.tarBytes ?? 0, fullsize: exported?.unpackedBytes ?? 0};
  } finally {
    await rm(scratch, {recursive: true, force: true});
  }
}
