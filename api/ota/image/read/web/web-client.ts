import {Agent, interceptors, request, type Dispatcher} from 'undici';
import {OtaError} from '../../../ota-error.ts';

/** What a server answered; the body must be read or destroyed. */
export interface WebAnswer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  readonly body: Dispatcher.ResponseData['body'];
}

const attempts = 4;
/** Milliseconds before the second attempt; doubled each time. */
const firstPause = 200;
/** Milliseconds without a byte until a connection counts as lost. */
const patience = 30_000;

/** Asks web servers: follows redirects, and asks again when a connection fails or the server is overloaded. */
export class WebClient implements AsyncDisposable {
  readonly #dispatcher = new Agent({
    connections: 8,
    connectTimeout: patience,
    headersTimeout: patience,
    bodyTimeout: patience,
  }).compose(interceptors.redirect({maxRedirections: 5}));

  /** Whole file: no `range`. @throws {OtaError} HTTP_FAILED when all attempts failed */
  async get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<WebAnswer> {
    return this.attempt(url, async () => {
      // Compressed transfer would make ranges and lengths mean something else.
      const options = {dispatcher: this.#dispatcher, headers: {'accept-encoding': 'identity', ...headers}};
      const {statusCode: status, headers: received, body} = await request(url, options);
      if (status >= 500 || status === 429) {
        await body.dump();
        throw new Error(`the server answered ${status}`);
      }
      return {status, headers: received, body};
    });
  }

  /** Does `work` again after a failure that may pass; an {@link OtaError} never does. */
  async attempt<T>(url: string, work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof OtaError) throw error;
        if (attempt === attempts) throw failed(url, (error as Error).message, error);
        await new Promise((resolve) => setTimeout(resolve, firstPause * 2 ** (attempt - 1)));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy();
  }
}

export function failed(url: string, problem: string, cause?: unknown): OtaError {
  return new OtaError('HTTP_FAILED', `${withoutSecrets(url)} cannot be read: ${problem}`, {cause});
}

/** An address as it may be printed: without a password or the signature of a pre-signed one. */
export function withoutSecrets(url: string): string {
  const {origin, pathname} = new URL(url);
  return origin + pathname;
}
