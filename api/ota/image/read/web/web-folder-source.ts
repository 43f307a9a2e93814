import type {ImageSource} from '../image-source.ts';
import {tooLong} from '../blob-errors.ts';
import {failed, type WebClient} from './web-client.ts';

/** An image whose folder a web server gives out, as devices read it. */
export class WebFolderSource implements ImageSource {
  readonly kind = 'web';
  readonly location: string;
  readonly local = undefined;
  readonly #client: WebClient;
  readonly #base: string;

  /** `base` ends with a slash. */
  constructor(client: WebClient, location: string, base: string) {
    this.location = location;
    this.#client = client;
    this.#base = base;
  }

  async read(path: string, limit: number): Promise<AsyncIterable<Uint8Array> | undefined> {
    const url = new URL(path, this.#base).href;
    const {status, headers, body} = await this.#client.get(url);
    if (status === 200) {
      if (Number(headers['content-length']) <= limit || headers['content-length'] === undefined) {
        return this.#content(url, body as AsyncIterable<Buffer>, limit, path);
      }
      body.destroy();
      throw tooLong(path, limit);
    }
    await body.dump();
    if (status === 404 || status === 403 || status === 401) return undefined;
    throw failed(url, `the server answered ${status}`);
  }

  files(): undefined {
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  /** The body; after a lost connection the rest is asked for. */
  async *#content(
    url: string,
    first: AsyncIterable<Buffer>,
    limit: number,
    path: string,
  ): AsyncGenerator<Uint8Array> {
    let length = 0;
    let body = first;
    for (let losses = 0; ; losses++) {
      try {
        for await (const piece of body) {
          length += piece.length;
          if (length > limit) throw tooLong(path, limit);
          yield piece;
        }
        return;
      } catch (error) {
        if (error instanceof Error && error.name === 'OtaError') throw error;
        if (losses === 3) throw failed(url, (error as Error).message, error);
        body = await this.#rest(url, length);
      }
    }
  }

  async #rest(url: string, from: number): Promise<AsyncIterable<Buffer>> {
    const {status, headers, body} = await this.#client.get(url, {range: `bytes=${from}-`});
    if (status === 206 && String(headers['content-range']).startsWith(`bytes ${from}-`)) {
      return body as AsyncIterable<Buffer>;
    }
    body.destroy();
    throw failed(url, 'the connection was lost, and the server does not give parts of files');
  }
}
