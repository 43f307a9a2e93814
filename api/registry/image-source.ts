import type {ImageReference} from './reference.ts';

/** What a machine runs, in the words of OCI: `linux`, `arm64`, `v8`. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

/** A blob as a manifest describes it. */
export interface BlobDescriptor {
  readonly mediaType: string;
  /** `sha256:…` of the bytes as they are stored, compressed or not. */
  readonly digest: string;
  readonly sizeBytes: number;
}

/** An image of one platform. */
export interface ImageManifest {
  readonly reference: ImageReference;
  /** Digest of this manifest; for an image of several platforms not the one of the index. */
  readonly digest: string;
  readonly mediaType: string;
  /** The bytes that `digest` belongs to. */
  readonly content: Buffer;
  readonly config: BlobDescriptor;
  /** From the lowest to the topmost. */
  readonly layers: readonly BlobDescriptor[];
}

/** A place that has images: a registry, or an OCI layout. Everything that it gives is checked against its digest. */
export interface ImageSource {
  /**
   * Finds the manifest that a reference means for a platform.
   *
   * @throws PipelineError `REGISTRY_FAILED` when there is none, or it is not what its digest says.
   */
  resolve(reference: ImageReference, platform: Platform): Promise<ImageManifest>;
  /**
   * The bytes of a blob. The last piece arrives only after digest and size were found right; until then, nobody should
   * use what has arrived.
   *
   * @throws PipelineError `REGISTRY_FAILED` while it is read.
   */
  openBlob(image: ImageManifest, blob: BlobDescriptor): AsyncIterable<Uint8Array>;
}

/** Reads `linux/arm64/v8`; undefined for anything else. */
export function parsePlatform(text: string): Platform | undefined {
  const [, os, architecture, variant] = /^([a-z0-9]+)\/([a-z0-9_]+)(?:\/([a-z0-9.]+))?$/.exec(text) ?? [];
  if (os === undefined || architecture === undefined) return undefined;
  return {os, architecture, ...(variant !== undefined && {variant})};
}

export function formatPlatform({os, architecture, variant}: Platform): string {
  return `${os}/${architecture}${variant === undefined ? '' : `/${variant}`}`;
}
