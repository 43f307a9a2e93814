import {setMaxListeners} from 'node:events';
import {EnvHttpProxyAgent, interceptors, request, type Dispatcher} from 'undici';
import {PipelineError} from '../errors.ts';
import {basicAuthorization, parseChallenge, tokenUrl} from './authentication.ts';
import {credentialsFromFiles, type FindCredentials} from './credentials.ts';
import type {ImageReference} from './reference.ts';

export interface RegistryOptions {
  /** Those of `docker login` when absent. */
  readonly credentials?: FindCredentials | undefined;
  /** Registries that are spoken to without TLS. Those on this machine always are. */
  readonly insecureRegistries?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What is asked for: `path` is below the repository. */
export interface RegistryRequest {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  /** Below `/v2/<repository>/`, or an address that the registry has given. */
  readonly path: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** Answers of a registry that may be ready a little later. */
const unreadyAnswers = [429, 500, 502, 503, 504];

/** Where images without a registry in their name are really fetched from. */
const apiHosts: Readonly<Record<string, string>> = {'docker.io': 'registry-1.docker.io'};

/**
 * Speaks HTTP with registries (OCI Distribution 1.1, Docker Registry HTTP API V2): anonymous, basic and bearer
 * authentication, redirects, broken connections. What a registry answers is the caller's business.
 */
export class RegistryConnection implements AsyncDisposable {
  readonly #options: RegistryOptions;
  readonly #credentials: FindCredentials;
  readonly #agent = new EnvHttpProxyAgent();
  readonly #dispatcher: Dispatcher;
  /** By registry and repository: tokens are given out for one. */
  readonly #authorizations = new Map<string, string>();

  constructor(options: RegistryOptions = {}) {
    this.#options = options;
    // Each request that is on its way listens.
    if (options.signal) setMaxListeners(0, options.signal);
    this.#credentials = options.credentials ?? credentialsFromFiles();
    this.#dispatcher = this.#agent.compose(
      interceptors.redirect({maxRedirections: 5}),
      // A registry that is busy says 429 or 503; a connection that breaks goes on where it broke.
      interceptors.retry({
        maxRetries: 4,
        minTimeout: 250,
        maxTimeout: 5000,
        // No answer is an error of its own: what it means is known to whoever asked.
        throwOnError: false,
        statusCodes: unreadyAnswers,
        // What sends a body is tried again by whoever knows how much of it has arrived.
        methods: ['GET', 'HEAD', 'DELETE'],
      }),
    );
  }

  /** Asks for something; who is not let in tries again with credentials. */
  async send(reference: ImageReference, asked: RegistryRequest): Promise<Dispatcher.ResponseData> {
    const base = this.#baseUrl(reference.registry);
    const url =
      asked.path instanceof URL ? asked.path : new URL(`/v2/${reference.repository}/${asked.path}`, base);
    const scope = `${reference.registry}/${reference.repository}`;
    // What a registry hands on to another host has its authorization in the address.
    const isOwn = url.origin === base.origin;
    const known = isOwn ? this.#authorizations.get(scope) : undefined;
    const answer = await this.#request(reference, url, asked, known);
    if (answer.statusCode !== 401 || !isOwn) return answer;
    await answer.body.dump();
    const authorization = await this.#authorize(reference, base, answer.headers['www-authenticate']);
    this.#authorizations.set(scope, authorization);
    return this.#request(reference, url, asked, authorization);
  }

  /** An address that the registry has given, maybe without its own name. */
  resolve({registry}: ImageReference, address: string): URL {
    return new URL(address, this.#baseUrl(registry));
  }

  /** What an error of a connection means, also of one that breaks while a body is read. */
  unreachable({registry}: ImageReference, error: unknown): unknown {
    if (this.#options.signal?.aborted || error instanceof PipelineError) return error;
    const {message, code, statusCode} = error as Error & {code?: string; statusCode?: number};
    const why = statusCode === undefined ? (code ?? message) : `it answers ${statusCode}`;
    return failed(
      `the registry ${registry} cannot be reached: ${why}`,
      'Is the network there, and the name right? Behind a proxy, set HTTPS_PROXY.',
      error,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  async #authorize(
    reference: ImageReference,
    base: URL,
    header: string | string[] | undefined,
  ): Promise<string> {
    const challenge = parseChallenge([header ?? []].flat().join(', '));
    const credentials = await this.#credentials(reference.registry);
    if (challenge === undefined || (challenge.scheme === 'basic' && credentials === undefined)) {
      throw notLetIn(reference, 401);
    }
    if (challenge.scheme === 'basic' && credentials !== undefined) return basicAuthorization(credentials);
    const answer = await this.#request(
      reference,
      tokenUrl(challenge, reference.repository, base),
      {path: ''},
      credentials && basicAuthorization(credentials),
    );
    if (answer.statusCode !== 200) {
      await answer.body.dump();
      throw notLetIn(reference, answer.statusCode === 403 ? 403 : 401);
    }
    const {token, access_token: accessToken} = (await answer.body.json()) as Record<string, unknown>;
    const given = token ?? accessToken;
    if (typeof given !== 'string') throw failed(`the token server of ${reference.registry} gave no token`);
    return `Bearer ${given}`;
  }

  async #request(
    reference: ImageReference,
    url: URL,
    {method = 'GET', headers, body}: RegistryRequest,
    authorization: string | undefined,
  ): Promise<Dispatcher.ResponseData> {
    try {
      return await request(url, {
        method,
        dispatcher: this.#dispatcher,
        headers: {...headers, ...(authorization !== undefined && {authorization})},
        ...(body && {body}),
        ...(this.#options.signal && {signal: this.#options.signal}),
      });
    } catch (error) {
      throw this.unreachable(reference, error);
    }
  }

  #baseUrl(registry: string): URL {
    const isLocal = /^(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$/.test(registry);
    const isInsecure = isLocal || (this.#options.insecureRegistries ?? []).includes(registry);
    return new URL(`${isInsecure ? 'http' : 'https'}://${apiHosts[registry] ?? registry}`);
  }
}

/** A registry that wants somebody else. */
export function notLetIn({registry, repository}: ImageReference, status: number): PipelineError {
  return failed(
    `the registry ${registry} does not let us read ${repository} (${status})`,
    `Is the name right? If it is private: docker login ${registry}`,
  );
}

function failed(message: string, hint?: string, cause?: unknown): PipelineError {
  return new PipelineError('REGISTRY_FAILED', message, {hint, cause});
}
