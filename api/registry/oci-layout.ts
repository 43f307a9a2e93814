import {createReadStream} from 'node:fs';
import {readFile, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {PipelineError} from '../errors.ts';
import type {BlobDescriptor, ImageManifest, ImageSource, Platform} from './image-source.ts';
import {
  choosePlatform,
  digestOf,
  isIndex,
  mostManifestBytes,
  parseManifest,
  verified,
  type ImageIndex,
} from './manifest.ts';
import {archiveName, formatImageReference, parseImageReference, type ImageReference} from './reference.ts';

/** Names of images in an index: what skopeo, buildah and BuildKit write. */
const nameAnnotations = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'] as const;

/** A folder in the layout of the OCI image specification, as `skopeo copy … oci:FOLDER` and BuildKit write it. */
export class OciLayout implements ImageSource {
  readonly #folder: string;
  readonly #index: ImageIndex;

  private constructor(folder: string, index: ImageIndex) {
    this.#folder = folder;
    this.#index = index;
  }

  /** @throws PipelineError `INPUT_UNREADABLE` when the folder is no OCI layout. */
  static async open(folder: string): Promise<OciLayout> {
    const content = await readFile(join(folder, 'index.json')).catch((error: unknown) => {
      throw new PipelineError('INPUT_UNREADABLE', `${folder} is not an OCI layout: it has no index.json`, {
        cause: error,
      });
    });
    const index = parseManifest(content, {registry: 'localhost', repository: 'layout'});
    if (!isIndex(index)) throw new PipelineError('INPUT_UNREADABLE', `${folder}/index.json is not an index`);
    return new OciLayout(folder, index);
  }

  async resolve(reference: ImageReference, platform: Platform): Promise<ImageManifest> {
    const entry = this.#find(reference);
    const named = await this.#manifest(entry, reference);
    if (!isIndex(named)) return named;
    const manifest = await this.#manifest(choosePlatform(named, platform, reference).digest, reference);
    if (isIndex(manifest))
      throw failed(`${formatImageReference(reference)} is an index that leads to another index`);
    return manifest;
  }

  openBlob(_image: ImageManifest, blob: BlobDescriptor): AsyncIterable<Uint8Array> {
    return verified(createReadStream(this.#path(blob.digest), {highWaterMark: 512 * 1024}), blob);
  }

  #find(reference: ImageReference): string {
    const {manifests} = this.#index;
    const byDigest = manifests.find(({digest}) => digest === reference.digest);
    if (byDigest !== undefined) return byDigest.digest;
    const wanted = archiveName(reference);
    const byName = manifests.find(({annotations = {}}) => namesOf(annotations).includes(wanted));
    if (byName !== undefined && reference.digest === undefined) return byName.digest;
    // skopeo writes the tag alone, which is enough in a layout of one image.
    const [only, ...others] = manifests;
    const tag = only?.annotations?.['org.opencontainers.image.ref.name'];
    if (only !== undefined && others.length === 0 && reference.digest === undefined) {
      if (tag === undefined || tag === (reference.tag ?? 'latest')) return only.digest;
    }
    const there = manifests.map(
      ({annotations = {}, digest}) =>
        annotations[nameAnnotations[0]] ?? annotations[nameAnnotations[1]] ?? digest,
    );
    throw failed(
      `the OCI layout ${this.#folder} has no ${formatImageReference(reference)}`,
      `There is: ${there.join(', ') || 'nothing'}.`,
    );
  }

  async #manifest(digest: string, reference: ImageReference) {
    const path = this.#path(digest);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) throw failed(`the OCI layout ${this.#folder} lacks the blob ${digest}`);
    if (found.size > mostManifestBytes) throw failed(`the manifest ${digest} is larger than 4 MiB`);
    const content = await readFile(path);
    if (digestOf(content) !== digest) throw failed(`the blob ${digest} in ${this.#folder} has other content`);
    return parseManifest(content, reference);
  }

  #path(digest: string): string {
    return join(this.#folder, 'blobs', 'sha256', digest.slice('sha256:'.length));
  }
}

/** The complete names that annotations give. */
function namesOf(annotations: Readonly<Record<string, string>>): readonly (string | undefined)[] {
  return nameAnnotations.flatMap((key) => {
    const text = annotations[key];
    const reference = text === undefined ? undefined : parseImageReference(text);
    return reference === undefined ? [] : [archiveName(reference)];
  });
}

function failed(message: string, hint?: string): PipelineError {
  return new PipelineError('REGISTRY_FAILED', message, {hint});
}
