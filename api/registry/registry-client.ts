import {EnvHttpProxyAgent, interceptors, request, type Dispatcher} from 'undici';
import {PipelineError} from '../errors.ts';
import {basicAuthorization, parseChallenge, tokenUrl} from './authentication.ts';
import {credentialsFromFiles, type FindCredentials} from './credentials.ts';
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

export interface RegistryClientOptions {
  /** Those of `docker login` when absent. */
  readonly credentials?: FindCredentials | undefined;
  /** Registries that are spoken to without TLS. Those on this machine always are. */
  readonly insecureRegistries?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Where images without a registry in their name are really fetched from. */
const apiHosts: Readonly<Record<string, string>> = {'docker.io': 'registry-1.docker.io'};

/**
 * Reads images from registries (OCI Distribution 1.1, Docker Registry HTTP API V2): anonymous, basic and bearer
 * authentication, redirects, broken connections. Everything is checked against its digest.
 *
 * @example
 * await using registry = new RegistryClient();
 * const image = await registry.resolve(reference, {os: 'linux', architecture: 'arm64'});
 * for await (const piece of registry.openBlob(image, image.config)) …
 */
export class RegistryClient implements ImageSource, AsyncDisposable {
  readonly #options: RegistryClientOptions;
  readonly #credentials: FindCredentials;
  readonly #agent = new EnvHttpProxyAgent();
  readonly #dispatcher: Dispatcher;
  /** By registry and repository: tokens are given out for one. */
  readonly #authorizations = new Map<string, string>();

  constructor(options: RegistryClientOptions = {}) {
    this.#options = options;
    this.#credentials = options.credentials ?? credentialsFromFiles();
    this.#dispatcher = this.#agent.compose(
      interceptors.redirect({maxRedirections: 5}),
      // A registry that is busy says 429 or 503; a connection that breaks goes on where it broke.
      interceptors.retry({maxRetries: 4, minTimeout: 250, maxTimeout: 5000}),
    );
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
      throw error instanceof PipelineError ? error : this.#unreachable(image.reference, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
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
    const base = this.#baseUrl(reference.registry);
    const url = new URL(`/v2/${reference.repository}/${path}`, base);
    const scope = `${reference.registry}/${reference.repository}`;
    const known = this.#authorizations.get(scope);
    let answer = await this.#request(reference, url, {...headers, ...(known && {authorization: known})});
    if (answer.statusCode === 401) {
      await answer.body.dump();
      const authorization = await this.#authorize(reference, base, answer.headers['www-authenticate']);
      this.#authorizations.set(scope, authorization);
      answer = await this.#request(reference, url, {...headers, authorization});
    }
    if (answer.statusCode === 200) return answer;
    await answer.body.dump();
    throw refused(reference, answer.statusCode, path);
  }

  async #authorize(
    reference: ImageReference,
    base: URL,
    header: string | string[] | undefined,
  ): Promise<string> {
    const challenge = parseChallenge([header ?? []].flat().join(', '));
    const credentials = await this.#credentials(reference.registry);
    if (challenge === undefined || (challenge.scheme === 'basic' && credentials === undefined)) {
      throw refused(reference, 401, '');
    }
    if (challenge.scheme === 'basic' && credentials !== undefined) return basicAuthorization(credentials);
    const answer = await this.#request(reference, tokenUrl(challenge, reference.repository, base), {
      ...(credentials !== undefined && {authorization: basicAuthorization(credentials)}),
    });
    if (answer.statusCode !== 200) {
      await answer.body.dump();
      throw refused(reference, answer.statusCode === 403 ? 403 : 401, '');
    }
    const {token, access_token: accessToken} = (await answer.body.json()) as Record<string, unknown>;
    const given = token ?? accessToken;
    if (typeof given !== 'string') throw failed(`the token server of ${reference.registry} gave no token`);
    return `Bearer ${given}`;
  }

  async #request(reference: ImageReference, url: URL, headers: Readonly<Record<string, string>>) {
    try {
      return await request(url, {
        dispatcher: this.#dispatcher,
        headers,
        ...(this.#options.signal && {signal: this.#options.signal}),
      });
    } catch (error) {
      throw this.#unreachable(reference, error);
    }
  }

  #unreachable({registry}: ImageReference, error: unknown): unknown {
    if (this.#options.signal?.aborted) return error;
    const {message, code, statusCode} = error as Error & {code?: string; statusCode?: number};
    const why = statusCode === undefined ? (code ?? message) : `it answers ${statusCode}`;
    return failed(
      `the registry ${registry} cannot be reached: ${why}`,
      'Is the network there, and the name right? Behind a proxy, set HTTPS_PROXY.',
      error,
    );
  }

  #baseUrl(registry: string): URL {
    const isLocal = /^(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$/.test(registry);
    const isInsecure = isLocal || (this.#options.insecureRegistries ?? []).includes(registry);
    return new URL(`${isInsecure ? 'http' : 'https'}://${apiHosts[registry] ?? registry}`);
  }
}

function refused(reference: ImageReference, status: number, path: string): PipelineError {
  const name = formatImageReference(reference);
  if (status === 401 || status === 403) {
    return failed(
      `the registry ${reference.registry} does not let us read ${reference.repository} (${status})`,
      `Is the name right? If it is private: docker login ${reference.registry}`,
    );
  }
  if (status === 404) {
    const what = path.startsWith('blobs/') ? `has lost ${path.slice('blobs/'.length)} of` : 'has no image';
    return failed(`the registry ${reference.registry} ${what} ${name}`);
  }
  return failed(`the registry ${reference.registry} answers ${status} for ${name}`);
}

function failed(message: string, hint?: string, cause?: unknown): PipelineError {
  return new PipelineError('REGISTRY_FAILED', message, {hint, cause});
}
