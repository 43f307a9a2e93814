import {dirname, join} from 'node:path';
import {ArchiveError} from '../archive/archive-error.ts';
import {publishFile, refuseExisting} from '../archive/publish-file.ts';
import {PipelineError} from '../errors.ts';
import {readDockerArchive, writeDockerArchive, type ArchivedImage} from '../registry/docker-archive.ts';
import {formatPlatform, type Platform} from '../registry/image-source.ts';
import {ImageSpool, type SpooledImage} from '../registry/image-spool.ts';
import {
  archiveName,
  formatImageReference,
  parseImageReference,
  type ImageReference,
} from '../registry/reference.ts';
import type {Description} from './description-schema.ts';
import {imagesName} from './names.ts';
import {inspectBundle} from './verify.ts';
import {validateBundle} from './validate.ts';

/** Where the images of a bundle are taken from. */
export type ImageOrigin =
  | {readonly kind: 'engine'; readonly host?: string | undefined}
  | {readonly kind: 'registry'; readonly insecureRegistries?: readonly string[] | undefined}
  | {readonly kind: 'layout'; readonly folder: string};

export interface BundleImagesOptions {
  /** A `.bundle`, or a description. */
  readonly file: string;
  readonly origin: ImageOrigin;
  /** What the device runs. From an engine: whatever it has, when absent. */
  readonly platform?: Platform | undefined;
  /** `<id>_<version>_images.tar.gz` beside `file` when absent. */
  readonly output?: string | undefined;
  readonly force?: boolean | undefined;
  readonly onImage?: ((image: BundleImage) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One image of an archive. */
export interface BundleImage {
  /** As in the archive, or with its digest when it has no name there. */
  readonly name: string;
  readonly id: string;
  readonly manifestDigest?: string | undefined;
  readonly platform: string;
}

export interface MadeImages {
  readonly file: string;
  readonly images: readonly BundleImage[];
  readonly warnings: readonly string[];
}

const defaultPlatform: Platform = {os: 'linux', architecture: 'arm64'};

/**
 * Makes the archive of all images that a bundle needs, for an installation from a USB medium.
 *
 * @throws PipelineError `IMAGE_UNAVAILABLE`, `REGISTRY_FAILED`, `OUTPUT_EXISTS`, `INPUT_UNREADABLE`, `BUNDLE_INVALID`;
 *   ConfigError `BUNDLE_INVALID` for a description with mistakes.
 */
export async function makeBundleImages(options: BundleImagesOptions): Promise<MadeImages> {
  const {file, origin, force} = options;
  const description = await loadDescription(file);
  const output = options.output ?? join(dirname(file), imagesName(description));
  await refuseExisting(output, {force});
  const references = imagesOf(description);
  await using spool = await ImageSpool.create(dirname(output));
  const spooled = await spoolAll(references, options, spool, dirname(output));
  const images = spooled.map(toBundleImage);
  await publishFile(output, {force}, (temporary) =>
    writeDockerArchive(temporary, spooled, spool, {isPlain: output.endsWith('.tar')}),
  );
  return {file: output, images, warnings: adviseOn(references, images, origin, options.platform)};
}

/** What an existing archive lacks and has too much, compared with what a bundle needs. */
export interface CheckedImages {
  readonly file: string;
  readonly images: readonly ArchivedImage[];
  readonly missing: readonly string[];
  readonly extra: readonly string[];
}

/**
 * Reads an archive of images back and compares it with what a bundle needs.
 *
 * @throws PipelineError `BUNDLE_INVALID` when the archive is damaged; `INPUT_UNREADABLE`.
 */
export async function checkBundleImages(
  options: Pick<BundleImagesOptions, 'file' | 'output'>,
): Promise<CheckedImages> {
  const description = await loadDescription(options.file);
  const archive = options.output ?? join(dirname(options.file), imagesName(description));
  const images = await readArchive(archive);
  const needed = imagesOf(description).flatMap((reference) => archiveName(reference) ?? []);
  // Engines leave out what podman writes out; both mean the same image.
  const present = images.flatMap(({names}) => names.map(completeName));
  return {
    file: archive,
    images,
    missing: needed.filter((name) => !present.includes(name)),
    extra: present.filter((name) => !needed.includes(name)),
  };
}

/** Every image of a description once, in its order. */
export function imagesOf({initContainers = [], containers = []}: Description): readonly ImageReference[] {
  const references = new Map<string, ImageReference>();
  for (const {spec} of [...initContainers, ...containers]) {
    const reference = parseImageReference(spec.image);
    if (reference !== undefined) references.set(formatImageReference(reference), reference);
  }
  return [...references.values()];
}

async function loadDescription(file: string): Promise<Description> {
  if (!file.endsWith('.bundle')) return (await validateBundle(file)).description;
  const {description, problems} = await inspectBundle(file);
  if (description === undefined) {
    throw new PipelineError(
      'BUNDLE_INVALID',
      `${file} has no description that can be used: ${problems.join('; ')}`,
    );
  }
  return description;
}

// Loaded where they are needed, because they take long. Not in functions that have an `await using`: there tsc 6 leaves
// the ending of a dynamic import as it is.
const loadLayouts = () => import('../registry/oci-layout.ts');
const loadRegistries = () => import('../registry/registry-client.ts');
const loadEngine = () =>
  Promise.all([
    import('../docker/client.ts'),
    import('../docker/images.ts'),
    import('../registry/engine-images.ts'),
  ]);

async function spoolAll(
  references: readonly ImageReference[],
  {origin, platform, signal, onImage}: BundleImagesOptions,
  spool: ImageSpool,
  room: string,
): Promise<readonly SpooledImage[]> {
  const images: SpooledImage[] = [];
  const take = (image: SpooledImage) => {
    images.push(image);
    onImage?.(toBundleImage(image));
  };
  if (origin.kind === 'engine') {
    const [{connectDocker}, {DockerImages}, {spoolFromEngine}] = await loadEngine();
    const {docker} = await connectDocker(origin.host);
    const engine = new DockerImages(docker);
    for (const reference of references) {
      signal?.throwIfAborted();
      const image = await spoolFromEngine(engine, reference, spool, room);
      if (platform !== undefined) checkPlatform(image, platform);
      take(image);
    }
    return images;
  }
  const wanted = platform ?? defaultPlatform;
  if (origin.kind === 'layout') {
    const {OciLayout} = await loadLayouts();
    const layout = await OciLayout.open(origin.folder);
    for (const reference of references) take(await spool.fetch(layout, reference, wanted));
    return images;
  }
  const {RegistryClient} = await loadRegistries();
  await using registry = new RegistryClient({insecureRegistries: origin.insecureRegistries, signal});
  for (const reference of references) take(await spool.fetch(registry, reference, wanted));
  return images;
}

function checkPlatform({reference, platform}: SpooledImage, wanted: Platform): void {
  if (platform.os === wanted.os && platform.architecture === wanted.architecture) return;
  const name = formatImageReference(reference);
  throw new PipelineError(
    'IMAGE_UNAVAILABLE',
    `the engine has ${name} for ${formatPlatform(platform)}, not for ${formatPlatform(wanted)}`,
    {
      hint: `Fetch it from its registry: --from registry, or docker pull --platform ${formatPlatform(wanted)} ${name}`,
    },
  );
}

function adviseOn(
  references: readonly ImageReference[],
  images: readonly BundleImage[],
  origin: ImageOrigin,
  platform: Platform | undefined,
): readonly string[] {
  const warnings = references
    .filter(({digest}) => digest !== undefined)
    .map(
      (reference) =>
        `${formatImageReference(reference)} is named by its digest, which an archive cannot carry: without a network, podman will not find it. Name it by a tag`,
    );
  const platforms = new Set(images.map((image) => image.platform));
  if (origin.kind === 'engine' && platform === undefined && platforms.size > 1) {
    warnings.push(`the images are for different platforms: ${[...platforms].sort().join(', ')}`);
  }
  return warnings;
}

async function readArchive(file: string): Promise<readonly ArchivedImage[]> {
  try {
    return await readDockerArchive(file);
  } catch (error) {
    if (error instanceof ArchiveError) {
      throw new PipelineError('BUNDLE_INVALID', `${file} cannot be used: ${error.message}`, {
        hint: 'Make it again with --force.',
        cause: error,
      });
    }
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new PipelineError('INPUT_UNREADABLE', `${file} does not exist`, {
        hint: 'Make it without --check.',
      });
    }
    throw error;
  }
}

function completeName(name: string): string {
  const reference = parseImageReference(name);
  return (reference && archiveName(reference)) ?? name;
}

function toBundleImage({reference, name, id, manifestDigest, platform}: SpooledImage): BundleImage {
  return {
    name: name ?? formatImageReference(reference),
    id,
    manifestDigest,
    platform: formatPlatform(platform),
  };
}
