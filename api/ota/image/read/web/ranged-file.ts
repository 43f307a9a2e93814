import {OtaError} from '../../../ota-error.ts';
import type {RandomAccess} from '../zip/zip-entry.ts';
import {failed, type WebAnswer, type WebClient} from './web-client.ts';

/** A file on a web server of which only the parts that are needed are fetched (RFC 9110, section 14). */
export class RangedFile implements RandomAccess {
  readonly size: number;
  readonly #client: WebClient;
  readonly #url: string;
  /** Tells whether the file is still the same; undefined if the server gives none. */
  readonly #version: string | undefined;

  private constructor(client: WebClient, url: string, size: number, version: string | undefined) {
    this.#client = client;
    this.#url = url;
    this.size = size;
    this.#version = version;
  }

  /**
   * Asks for the first byte, which tells the size.
   * @throws {OtaError} NOT_AN_IMAGE if there is no such file, HTTP_FAILED if the server knows no ranges
   */
  static async open(client: WebClient, url: string): Promise<RangedFile> {
    const answer = await client.get(url, {range: 'bytes=0-0'});
    const {status} = answer;
    const total = totalOf(answer);
    // A server without ranges would send all of it: the connection is given up instead.
    if (status === 206) await answer.body.dump();
    else answer.body.destroy();
    if (status === 404 || status === 403 || status === 401) {
      throw new OtaError('NOT_AN_IMAGE', failed(url, `the server answered ${status}`).message);
    }
    if (status !== 206 || total === undefined) {
      const problem =
        status === 200 ? 'the server does not give parts of files' : `the server answered ${status}`;
      throw failed(url, problem);
    }
    return new RangedFile(client, url, total, versionOf(answer));
  }

  /** @throws {OtaError} HTTP_FAILED, also when the file was replaced in the meantime */
  read(offset: number, length: number): Promise<Buffer> {
    if (length === 0) return Promise.resolve(Buffer.alloc(0));
    return this.#client.attempt(this.#url, async () => {
      const answer = await this.#client.get(this.#url, {range: `bytes=${offset}-${offset + length - 1}`});
      const isSame = totalOf(answer) === this.size && versionOf(answer) === this.#version;
      if (answer.status !== 206 || !isSame) {
        answer.body.destroy();
        throw failed(this.#url, 'the file was replaced while it was read');
      }
      const bytes = await collect(answer, length);
      if (bytes.length !== length)
        throw new Error(`the server sent ${bytes.length} bytes instead of ${length}`);
      return bytes;
    });
  }
}

/** Never keeps more than was asked for. */
async function collect({body}: WebAnswer, limit: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > limit) throw new Error('the server sent more than it was asked for');
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function totalOf({headers}: WebAnswer): number | undefined {
  const match = /^bytes \d+-\d+\/(\d+)$/.exec(String(headers['content-range']));
  return match ? Number(match[1]) : undefined;
}

function versionOf({headers}: WebAnswer): string | undefined {
  const version = headers['etag'] ?? headers['last-modified'];
  return typeof version === 'string' ? version : undefined;
}
