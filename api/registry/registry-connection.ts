import {setMaxListeners} from 'node:events';
import {EnvHttpProxyAgent, interceptors, request, type Dispatcher} from 'undici';
import {PipelineError} from '../errors.ts';
import {basicAuthorization, parseChallenge, refreshForm, tokenUrl} from './authentication.ts';
import {credentialsFromFiles, type FindCredentials} from './credentials.ts';
import type {ImageReference} from './reference.ts';
import {RegistryAwayError} from './registry-away.ts';
import {certificateFailure, findCertificates, tlsOptions} from './registry-certificates.ts';

export interface RegistryOptions {
  /** Those of `docker login` when absent. */
  readonly credentials?: FindCredentials | undefined;
  /** Registries that are spoken to without TLS. Those on this machine are, unless there are certificates for them. */
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
  /** Whoever asks does so again itself. */
  readonly once?: boolean;
}

/** Answers of a registry that may be ready a little later. */
const unreadyAnswers = [429, 500, 502, 503, 504];

/** How a registry is reached. */
interface Line {
  readonly base: URL;
  readonly agent: EnvHttpProxyAgent;
  readonly dispatcher: Dispatcher;
}

/** Where images without a registry in their name are really fetched from. */
const apiHosts: Readonly<Record<string, string>> = {'docker.io': 'registry-1.docker.io'};

/**
 * Speaks HTTP with registries (OCI Distribution 1.1, Docker Registry HTTP API V2): anonymous, basic and bearer
 * authentication, redirects, broken connections. What a registry answers is the caller's business.
 */
export class RegistryConnection implements AsyncDisposable {
  readonly #options: RegistryOptions;
  readonly #credentials: FindCredentials;
  /** By registry. */
  readonly #lines = new Map<string, Promise<Line>>();
  /** By registry and repository: tokens are given out for one. */
  readonly #authorizations = new Map<string, string>();

  constructor(options: RegistryOptions = {}) {
    this.#options = options;
    // Each request that is on its way listens.
    if (options.signal) setMaxListeners(0, options.signal);
    this.#credentials = options.credentials ?? credentialsFromFiles();
  }

  /** Asks for something; who is not let in tries again with credentials. */
  async send(reference: ImageReference, asked: RegistryRequest): Promise<Dispatcher.ResponseData> {
    const {base} = await this.#line(reference.registry);
    const url = new URL(
      asked.path instanceof URL ? asked.path : `/v2/${reference.repository}/${asked.path}`,
      base,
    );
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
  async resolve({registry}: ImageReference, address: string): Promise<URL> {
    return new URL(address, (await this.#line(registry)).base);
  }

  /** What an error of a connection means, also of one that breaks while a body is read. */
  unreachable({registry}: ImageReference, error: unknown): unknown {
    if (this.#options.signal?.aborted || error instanceof PipelineError) return error;
    const refused = certificateFailure(registry, error);
    if (refused !== undefined) return refused;
    const {message, code, statusCode} = error as Error & {code?: string; statusCode?: number};
    // Codes of the library's own say less than its words.
    const said = code === undefined || code.startsWith('UND_') ? message : code;
    const why = statusCode === undefined ? said : `it answers ${statusCode}`;
    return new RegistryAwayError(
      `the registry ${registry} cannot be reached: ${why}`,
      'Is the network there, and the name right? Behind a proxy, set HTTPS_PROXY.',
      error,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const line of await Promise.allSettled(this.#lines.values()))
      if (line.status === 'fulfilled') await line.value.agent.destroy();
  }

  #line(registry: string): Promise<Line> {
    const known = this.#lines.get(registry) ?? this.#open(registry);
    this.#lines.set(registry, known);
    return known;
  }

  async #open(registry: string): Promise<Line> {
    const isInsecure = (this.#options.insecureRegistries ?? []).includes(registry);
    const certificates = isInsecure ? undefined : await findCertificates(registry);
    const isPlain = isInsecure || (isLoopback(registry) && certificates === undefined);
    const tls = certificates && (await tlsOptions(certificates));
    const agent = new EnvHttpProxyAgent(tls && {connect: tls, requestTls: tls});
    return {
      base: new URL(`${isPlain ? 'http' : 'https'}://${apiHosts[registry] ?? registry}`),
      agent,
      dispatcher: patient(agent),
    };
  }

  async #authorize(
    reference: ImageReference,
    base: URL,
    header: string | string[] | undefined,
  ): Promise<string> {
    const challenge = parseChallenge([header ?? []].flat().join(', '));
    const login = await this.#credentials(reference.registry);
    const credentials = login !== undefined && 'username' in login ? login : undefined;
    if (challenge === undefined || (challenge.scheme === 'basic' && credentials === undefined)) {
      throw notLetIn(reference, 401);
    }
    if (challenge.scheme === 'basic' && credentials !== undefined) return basicAuthorization(credentials);
    const url = tokenUrl(challenge, reference.repository, base);
    const answer = await (login !== undefined && 'identityToken' in login
      ? this.#request(reference, new URL(url.pathname, url), refreshForm(url, login), undefined)
      : this.#request(reference, url, {path: ''}, credentials && basicAuthorization(credentials)));
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
    {method = 'GET', headers, body, once = false}: RegistryRequest,
    authorization: string | undefined,
  ): Promise<Dispatcher.ResponseData> {
    const line = await this.#line(reference.registry);
    try {
      return await request(url, {
        method,
        dispatcher: once ? line.agent : line.dispatcher,
        headers: {...headers, ...(authorization !== undefined && {authorization})},
        ...(body && {body}),
        ...(this.#options.signal && {signal: this.#options.signal}),
      });
    } catch (error) {
      throw this.unreachable(reference, error);
    }
  }
}

/** Follows redirects, and asks again where that can help. */
function patient(agent: Dispatcher): Dispatcher {
  return agent.compose(
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

/** Whether a registry is called by a name that means another machine on each. */
export function isLoopback(registry: string): boolean {
  return /^(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$/.test(registry);
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
