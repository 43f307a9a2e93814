import {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {createBrotliDecompress, createGunzip, createInflate} from 'node:zlib';
import {EnvHttpProxyAgent} from 'undici';
import {dispatch, type AskOptions, type DispatchedAnswer, type ReceivedHeaders} from './answer-body.ts';
import {PlainHttp} from './plain-http.ts';

/** What a server answered. */
export interface Answer {
  readonly status: number;
  readonly headers: ReceivedHeaders;
  /** Where the redirects have led to. */
  readonly url: string;
  /** As it lies on the server; each piece is valid until the next one. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Gives up what is left of the body, and the connection with it. Harmless when there is nothing left. */
  discard(): void;
}

/** An address that will not give the file, however often it is asked. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  /** Of HTTP, where that is the reason. */
  readonly status: number | undefined;
  readonly hint: string | undefined;

  constructor(message: string, options: {status?: number; hint?: string} = {}) {
    super(message);
    this.status = options.status;
    this.hint = options.hint;
  }
}

const mostRedirects = 10;
const redirects: readonly number[] = [301, 302, 303, 307, 308];

export interface WebOptions {
  readonly signal: AbortSignal;
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
}

/** Asks web servers, through the proxy that the environment names. */
export class Web implements AsyncDisposable {
  readonly #agent: EnvHttpProxyAgent;
  readonly #plain = new PlainHttp();
  readonly #stallMs: number;

  /** @param stallMs Without a byte for so long a connection counts as lost. */
  constructor(stallMs: number) {
    // How long a body may take is judged by who waits for it.
    const timeouts = {headersTimeout: stallMs, bodyTimeout: 0};
    this.#agent = new EnvHttpProxyAgent({...timeouts, connect: {timeout: stallMs}});
    this.#stallMs = stallMs;
  }

  /**
   * Follows redirects, but not from https to http.
   *
   * @throws RefusedError when they have no end; otherwise what went wrong with the connection.
   */
  async ask(url: string, {signal, method = 'GET', headers = {}}: WebOptions): Promise<Answer> {
    let address = url;
    for (let hop = 0; hop <= mostRedirects; hop++) {
      const answer = await this.#send(new URL(address), {
        method,
        signal,
        stallMs: this.#stallMs,
        // Ranges and lengths are those of the file, and not of something that a server makes of it on the way.
        headers: {'accept-encoding': 'identity', 'user-agent': 'hypriotkit', ...headers},
      });
      const {location} = answer.headers;
      if (!redirects.includes(answer.status) || typeof location !== 'string') {
        return {...answer, url: address, body: decoded(answer.body, answer.headers['content-encoding'])};
      }
      answer.discard();
      address = nextAddress(url, address, location);
    }
    throw new RefusedError('leads from one address to the next without end');
  }

  #send(url: URL, options: AskOptions): Promise<DispatchedAnswer> {
    const isPlain = url.protocol === 'http:' && !process.env['http_proxy'] && !process.env['HTTP_PROXY'];
    return isPlain ? this.#plain.ask(url, options) : dispatch(this.#agent, url, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#plain.close();
    await this.#agent.destroy();
  }
}

function nextAddress(url: string, from: string, location: string): string {
  const next = URL.canParse(location, from) ? new URL(location, from) : undefined;
  if (next === undefined || !['http:', 'https:'].includes(next.protocol)) {
    throw new RefusedError('leads to something that is no web address');
  }
  if (from.startsWith('https:') && next.protocol !== 'https:') {
    throw new RefusedError(`leads to an address without encryption: ${withoutSecrets(next.href)}`);
  }
  // A fragment belongs to who asks.
  if (next.hash === '') next.hash = new URL(url).hash;
  return next.href;
}

const decoders: Readonly<Record<string, () => NodeJS.ReadWriteStream>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/** Whether a server has packed what it sends, though it was asked not to. */
export function isEncoded({headers}: Pick<Answer, 'headers'>): boolean {
  const encoding = headers['content-encoding'];
  return typeof encoding === 'string' && Object.hasOwn(decoders, encoding.toLowerCase());
}

function decoded(
  body: AsyncIterable<Uint8Array>,
  encoding: string | string[] | undefined,
): AsyncIterable<Uint8Array> {
  const decoder = typeof encoding === 'string' ? decoders[encoding.toLowerCase()]?.() : undefined;
  if (decoder === undefined) return body;
  // What goes wrong on either side ends the decoder, whose reader hears of it.
  pipeline(Readable.from(body), decoder).catch(() => undefined);
  return decoder as AsyncIterable<unknown> as AsyncIterable<Uint8Array>;
}

/** An address as it may be printed: without a password, and without a query, which may be a signature. */
export function withoutSecrets(url: string): string {
  if (!URL.canParse(url)) return url;
  const {protocol, host, pathname} = new URL(url);
  return `${protocol}//${host}${pathname}`;
}
