import {PipelineError} from '../errors.ts';
import type {BlobDescriptor, ImageManifest, ImageSource, Platform} from './image-source.ts';
import {
  choosePlatform,
  digestOf,
  isIndex,
  manifestTypes,
  mostManifestBytes,
  parseManifest,
  verified,
} from './manifest.ts';
import {formatImageReference, type ImageReference} from './reference.ts';
import {notLetIn, RegistryConnection, type RegistryOptions} from './registry-connection.ts';

/**
 * Reads images from registries. Everything is checked against its digest.
 *
 * @example
 * await using registry = new RegistryClient();
 * const image = await registry.resolve(reference, {os: 'linux', architecture: 'arm64'});
 * for await (const piece of registry.openBlob(image, image.config)) …
 */
export class RegistryClient implements ImageSource, AsyncDisposable {
  readonly #connection: RegistryConnection;

  constructor(options: RegistryOptions = {}) {
    this.#connection = new RegistryConnection(options);
  }

  async resolve(reference: ImageReference, platform: Platform): Promise<ImageManifest> {
    const named = await this.#manifest(reference, reference.digest ?? reference.tag ?? 'latest');
    if (!isIndex(named)) return named;
    const chosen = choosePlatform(named, platform, reference);
    const manifest = await this.#manifest(reference, chosen.digest);
    if (isIndex(manifest)) {
      throw failed(`${formatImageReference(reference)} is an index that leads to another index`);
    }
    return manifest;
  }

  async *openBlob(image: ImageManifest, blob: BlobDescriptor): AsyncGenerator<Uint8Array, void> {
    const {body} = await this.#get(image.reference, `blobs/${blob.digest}`, {});
    try {
      yield* verified(body, blob);
    } catch (error) {
      throw this.#connection.unreachable(image.reference, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }

  async #manifest(reference: ImageReference, name: string) {
    const {headers, body} = await this.#get(reference, `manifests/${name}`, {
      accept: manifestTypes.join(', '),
    });
    const pieces: Uint8Array[] = [];
    let received = 0;
    for await (const piece of body) {
      pieces.push(piece as Uint8Array);
      received += (piece as Uint8Array).length;
      if (received > mostManifestBytes) {
        throw failed(`the manifest of ${formatImageReference(reference)} is larger than 4 MiB`);
      }
    }
    const content = Buffer.concat(pieces);
    const promised = name.startsWith('sha256:') ? name : headers['docker-content-digest'];
    if (typeof promised === 'string' && promised.startsWith('sha256:') && promised !== digestOf(content)) {
      throw failed(
        `the registry ${reference.registry} answered with another manifest than ${promised}`,
        'A proxy or the registry itself gives wrong content; nothing of it was used.',
      );
    }
    return parseManifest(content, reference);
  }

  async #get(reference: ImageReference, path: string, headers: Readonly<Record<string, string>>) {
    const answer = await this.#connection.send(reference, {path, headers});
    if (answer.statusCode === 200) return answer;
    await answer.body.dump();
    throw refused(reference, answer.statusCode, path);
  }
}

function refused(reference: ImageReference, status: number, path: string): PipelineError {
  const name = formatImageReference(reference);
  if (status === 401 || status === 403) return notLetIn(reference, status);
  if (status === 404) {
    const what = path.startsWith('blobs/') ? `has lost ${path.slice('blobs/'.length)} of` : 'has no image';
    return failed(`the registry ${reference.registry} ${what} ${name}`);
  }
  return failed(`the registry ${reference.registry} answers ${status} for ${name}`);
}

function failed(message: string, hint?: string, cause?: unknown): PipelineError {
  return new PipelineError('REGISTRY_FAILED', message, {hint, cause});
}
