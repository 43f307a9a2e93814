import {crc32} from 'node:zlib';
import {OtaError} from '../../ota-error.ts';
import {layout} from '../model/layout.ts';
import {tooLong} from './blob-errors.ts';
import {FileAccess} from './file-access.ts';
import type {ImageSource, LocalImage, StoredEntry} from './image-source.ts';
import {checkLocalHeader} from './zip/check-local-header.ts';
import {readCentralDirectory} from './zip/read-central-directory.ts';
import {invalidZip, type RandomAccess, type ZipEntry} from './zip/zip-entry.ts';

const pieceSize = 1024 * 1024;

/** An image in a ZIP artifact, on this machine or on a web server. */
export class ZipSource implements ImageSource {
  readonly kind = 'zip';
  readonly location: string;
  readonly local: LocalImage | undefined;
  readonly #access: RandomAccess;
  readonly #entries: ReadonlyMap<string, ZipEntry>;
  readonly #close: () => void | PromiseLike<void>;

  private constructor(
    location: string,
    access: RandomAccess,
    entries: ReadonlyMap<string, ZipEntry>,
    rest: {readonly local?: LocalImage; readonly close: () => void | PromiseLike<void>},
  ) {
    this.location = location;
    this.local = rest.local;
    this.#close = rest.close;
    this.#access = access;
    this.#entries = entries;
  }

  /**
   * Opens an artifact on this machine and checks all of its headers.
   * @throws {OtaError} ZIP_INVALID; NOT_AN_IMAGE if it has no index.json
   */
  static async openFile(file: string): Promise<ZipSource> {
    const access = new FileAccess(file);
    try {
      const entries = new Map<string, StoredEntry>();
      for (const [name, entry] of await readCentralDirectory(access, file)) {
        entries.set(name, {...entry, dataOffset: await checkLocalHeader(access, entry, file)});
      }
      requireIndex(entries, file);
      return new ZipSource(file, access, entries, {
        local: {kind: 'zip', file, entries},
        close: () => access[Symbol.dispose](),
      });
    } catch (error) {
      access[Symbol.dispose]();
      throw error;
    }
  }

  /** Opens an artifact elsewhere; the header of a file is checked when the file is read. */
  static async openRemote(
    location: string,
    access: RandomAccess,
    client: AsyncDisposable,
  ): Promise<ZipSource> {
    const entries = await readCentralDirectory(access, location);
    requireIndex(entries, location);
    return new ZipSource(location, access, entries, {close: () => client[Symbol.asyncDispose]()});
  }

  async read(path: string, limit: number): Promise<AsyncIterable<Uint8Array> | undefined> {
    const entry = this.#entries.get(path);
    if (!entry) return undefined;
    if (entry.size > limit) throw tooLong(path, limit);
    return this.#content(entry, await checkLocalHeader(this.#access, entry, this.location));
  }

  files(): ReadonlyMap<string, number> {
    return new Map([...this.#entries.values()].map(({name, size}) => [name, size]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async *#content(entry: ZipEntry, dataOffset: number): AsyncGenerator<Uint8Array> {
    let crc = 0;
    for (let at = 0; at < entry.size; at += pieceSize) {
      const piece = await this.#access.read(dataOffset + at, Math.min(pieceSize, entry.size - at));
      crc = crc32(piece, crc);
      yield piece;
    }
    if (crc !== entry.crc32) throw invalidZip(this.location, `the CRC of "${entry.name}" is wrong`);
  }
}

function requireIndex(entries: ReadonlyMap<string, ZipEntry>, location: string): void {
  if (!entries.has(layout.index)) {
    throw new OtaError(
      'NOT_AN_IMAGE',
      `${location} doesn't hold a valid OTA image: it has no ${layout.index}`,
    );
  }
}
