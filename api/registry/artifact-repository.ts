import type {RegistryHost, TaggedManifest} from '../../volumes/registry-host.ts';
import {mediaType} from '../../volumes/registry-entry.ts';
import {PipelineError} from '../errors.ts';
import {uploadBlob} from './blob-upload.ts';
import {digestOf, mostManifestBytes} from './manifest.ts';
import {persist, ready, refusal} from './persist.ts';
import {formatImageReference, type ImageReference} from './reference.ts';
import {notLetIn, RegistryConnection, type RegistryOptions} from './registry-connection.ts';

export interface ArtifactRepositoryOptions extends RegistryOptions {
  /** A repository of the same registry that may have blobs already. */
  readonly mountFrom?: string | undefined;
  /** Larger blobs are sent in several requests. */
  readonly pieceBytes?: number | undefined;
}

/** How many tags are asked for at once. */
const tagsPerPage = 1000;

/**
 * One repository of a registry, for artifacts. Needs no more than Docker Registry HTTP API V2, as Debian's
 * `docker-registry` 2.8 has it.
 */
export class ArtifactRepository implements RegistryHost, AsyncDisposable {
  readonly label: string;
  readonly #reference: ImageReference;
  readonly #connection: RegistryConnection;
  readonly #options: ArtifactRepositoryOptions;

  /** @param reference without tag and digest. */
  constructor(reference: ImageReference, options: ArtifactRepositoryOptions = {}) {
    this.#reference = reference;
    this.#options = options;
    this.#connection = new RegistryConnection(options);
    this.label = formatImageReference(reference);
  }

  /** @param types Kinds of manifests that are wanted: a registry may give an image of another kind in disguise. */
  async readManifest(
    tag: string,
    types: readonly string[] = [mediaType.manifest],
  ): Promise<TaggedManifest | undefined> {
    const answer = await this.#connection.send(this.#reference, {
      path: `manifests/${tag}`,
      headers: {accept: types.join(', ')},
    });
    if (answer.statusCode === 404) {
      await answer.body.dump();
      return undefined;
    }
    if (answer.statusCode !== 200) {
      await answer.body.dump();
      throw this.#unreadable(answer.statusCode);
    }
    const content = await this.#body(answer.body, mostManifestBytes);
    if (content === undefined) throw failed(`the manifest ${tag} of ${this.label} is larger than 4 MiB`);
    const digest = digestOf(content);
    const [promised] = [answer.headers['docker-content-digest'] ?? []].flat();
    if (promised?.startsWith('sha256:') && promised !== digest) {
      throw failed(
        `the registry ${this.#reference.registry} answered with another manifest than ${promised}`,
      );
    }
    return {digest, content};
  }

  async writeManifest(tag: string, content: Buffer): Promise<void> {
    await persist(async () => {
      const answer = await ready(this.#reference, () =>
        this.#connection.send(this.#reference, {
          method: 'PUT',
          path: `manifests/${tag}`,
          headers: {'content-type': mediaType.manifest},
          body: content,
        }),
      );
      await answer.body.dump();
      if (answer.statusCode !== 201) throw refusal(this.#reference, answer.statusCode);
    });
  }

  async readBlob(digest: string, size: number): Promise<Buffer | undefined> {
    const answer = await this.#connection.send(this.#reference, {path: `blobs/${digest}`});
    if (answer.statusCode === 404) {
      await answer.body.dump();
      return undefined;
    }
    if (answer.statusCode !== 200) {
      await answer.body.dump();
      throw this.#unreadable(answer.statusCode);
    }
    const content = await this.#body(answer.body, size);
    return content?.length === size && digestOf(content) === digest ? content : undefined;
  }

  async writeBlob(digest: string, content: Buffer): Promise<'sent' | 'known'> {
    if (await this.#hasBlob(digest)) return 'known';
    const {mountFrom, pieceBytes} = this.#options;
    return uploadBlob({
      connection: this.#connection,
      reference: this.#reference,
      digest,
      content,
      mountFrom,
      pieceBytes,
    });
  }

  async *listTags(): AsyncGenerator<string, void> {
    let last: string | undefined;
    for (;;) {
      const after = last === undefined ? '' : `&last=${encodeURIComponent(last)}`;
      const answer = await this.#connection.send(this.#reference, {
        path: `tags/list?n=${tagsPerPage}${after}`,
      });
      if (answer.statusCode === 404) {
        await answer.body.dump();
        return;
      }
      if (answer.statusCode !== 200) {
        await answer.body.dump();
        throw this.#unreadable(answer.statusCode);
      }
      const {tags} = (await answer.body.json()) as {tags?: unknown};
      const names = Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : [];
      yield* names;
      last = names.at(-1);
      // Older registries ignore `n` and give everything at once.
      if (names.length !== tagsPerPage || last === undefined) return;
    }
  }

  async removeManifest(digest: string): Promise<boolean> {
    const answer = await this.#connection.send(this.#reference, {
      method: 'DELETE',
      path: `manifests/${digest}`,
    });
    await answer.body.dump();
    if (answer.statusCode === 404) return false;
    if (answer.statusCode !== 202) throw refusal(this.#reference, answer.statusCode);
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }

  async #hasBlob(digest: string): Promise<boolean> {
    const answer = await this.#connection.send(this.#reference, {method: 'HEAD', path: `blobs/${digest}`});
    await answer.body.dump();
    if (answer.statusCode === 200) return true;
    // Who may not ask may still be let in to write; that says what is wrong.
    if ([401, 403, 404].includes(answer.statusCode)) return false;
    throw this.#unreadable(answer.statusCode);
  }

  /** @returns undefined for more than `most` bytes. */
  async #body(body: AsyncIterable<Uint8Array>, most: number): Promise<Buffer | undefined> {
    const pieces: Uint8Array[] = [];
    let received = 0;
    try {
      for await (const piece of body) {
        received += piece.length;
        if (received > most) return undefined;
        pieces.push(piece);
      }
    } catch (error) {
      throw this.#connection.unreachable(this.#reference, error);
    }
    return Buffer.concat(pieces);
  }

  #unreadable(status: number): PipelineError {
    if (status === 401 || status === 403) return notLetIn(this.#reference, status);
    return refusal(this.#reference, status);
  }
}

function failed(message: string): PipelineError {
  return new PipelineError('REGISTRY_FAILED', message);
}
