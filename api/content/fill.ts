import {createReadStream} from 'node:fs';
import {open} from 'node:fs/promises';
import {ArchiveError} from '../archive/archive-error.ts';
import {decompressFile} from '../archive/decompress.ts';
import {formatByteSize} from '../../configs/human-units.ts';
import {Ext4FullError} from '../disk/ext4-groups.ts';
import type {FileAttributes} from '../disk/ext4-inode.ts';
import {InTheWayError, type Ext4Writer} from '../disk/ext4-writer.ts';
import {PipelineError} from '../errors.ts';
import {readArchive} from './archive-members.ts';
import type {ContentFile} from './content-config.ts';
import type {Report} from './content-event.ts';
import {isFolder} from './resolve-config.ts';

/** Content that is at hand, and where it goes. */
export type FillItem =
  | {
      readonly kind: 'file';
      readonly file: ContentFile;
      readonly name: string;
      readonly path?: string | undefined;
    }
  | {
      readonly kind: 'stream';
      readonly to: string;
      readonly name: string;
      readonly sizeBytes: number;
      readonly open: () => AsyncIterable<Uint8Array>;
    };

export interface FillOptions {
  /** Where /data is in the file system: empty, or `/data`. */
  readonly prefix: string;
  /** Seconds since 1970. */
  readonly now: number;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** What has gone into the image for one item. */
export interface FilledItem {
  readonly name: string;
  /** Path on the device. */
  readonly to: string;
  readonly bytes: number;
  readonly files: number;
}

const pieceBytes = 1024 * 1024;
const tarMagicAt = 257;

/** Writes content into a file system, in the order of the configuration. */
export class Filler {
  readonly #writer: Ext4Writer;
  readonly #options: FillOptions;
  #bytes = 0;
  #files = 0;

  constructor(writer: Ext4Writer, options: FillOptions) {
    this.#writer = writer;
    this.#options = options;
  }

  /**
   * @throws PipelineError `CONTENT_INVALID` for an archive that is damaged or means harm, `CONTENT_TOO_LARGE`.
   */
  async add(item: FillItem): Promise<FilledItem> {
    const to = item.kind === 'file' ? item.file.to : item.to;
    const before = {bytes: this.#bytes, files: this.#files};
    try {
      await (item.kind === 'file' ? this.#addFile(item.file, item.path, item.name) : this.#addStream(item));
    } catch (error) {
      throw this.#explain(error, item.name);
    }
    return {
      name: item.name,
      to: `/data${to}`,
      bytes: this.#bytes - before.bytes,
      files: this.#files - before.files,
    };
  }

  async #addStream(item: Extract<FillItem, {kind: 'stream'}>): Promise<void> {
    await this.#write(item.to, this.#plainAttributes, item.open(), item.name, item.sizeBytes);
  }

  async #addFile(file: ContentFile, path: string | undefined, name: string): Promise<void> {
    const {to, via, source} = file;
    if (source.kind === 'content') {
      await this.#write(
        to,
        this.#plainAttributes,
        source.bytes.length > 0 ? [source.bytes] : [],
        name,
        source.bytes.length,
      );
      return;
    }
    if (path === undefined) throw new Error(`${name} was not downloaded`);
    if (via === 'zstd') {
      await this.#addZstd(file, path, name);
    } else if (isFolder(via)) {
      await this.#unpack(path, via === 'zip' ? 'zip' : 'tar', file, name);
    } else {
      const handle = await open(path, 'r');
      const {size} = await handle.stat().finally(() => handle.close());
      await this.#write(
        to,
        this.#plainAttributes,
        createReadStream(path, {highWaterMark: pieceBytes}),
        name,
        size,
      );
    }
  }

  /** A tar is unpacked, anything else is one file. */
  async #addZstd(file: ContentFile, path: string, name: string): Promise<void> {
    const head: Buffer[] = [];
    let length = 0;
    for await (const piece of decompressFile(path, 'zstd')) {
      head.push(Buffer.from(piece));
      if ((length += piece.length) >= tarMagicAt + 5) break;
    }
    if (Buffer.concat(head).toString('latin1', tarMagicAt, tarMagicAt + 5) === 'ustar') {
      await this.#unpack(path, 'tar', file, name);
    } else {
      const content = limited(decompressFile(path, 'zstd'), file.sizeBytes);
      await this.#write(file.to, this.#plainAttributes, content, name, file.sizeBytes);
    }
  }

  async #unpack(path: string, kind: 'tar' | 'zip', file: ContentFile, name: string): Promise<void> {
    const {prefix, now} = this.#options;
    const root = file.to === '/' ? prefix : `${prefix}${file.to}`;
    const started = this.#bytes;
    if (root !== '') await this.#writer.addFolder(root);
    for await (const member of readArchive(path, kind)) {
      this.#options.signal.throwIfAborted();
      const to = `${root}/${member.path}`;
      // Times before 1970 or far from now are as good as none.
      const attributes = {...member.attributes, mtime: member.attributes.mtime || now};
      if (member.type === 'folder') {
        await this.#writer.addFolder(to, attributes);
      } else if (member.type === 'symlink') {
        await this.#writer.addSymlink(to, attributes, member.linkTarget);
      } else if (member.type === 'hardlink') {
        await this.#writer.addHardlink(to, `${root}/${member.linkTarget}`);
      } else {
        if (file.sizeBytes !== undefined && this.#bytes - started + member.sizeBytes > file.sizeBytes)
          throw new TooMuchError(file.sizeBytes);
        await this.#writeAt(to, attributes, member.content(), name, member.sizeBytes);
      }
    }
  }

  async #write(
    to: string,
    attributes: FileAttributes,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    name: string,
    sizeBytes?: number,
  ) {
    await this.#writeAt(`${this.#options.prefix}${to}`, attributes, content, name, sizeBytes);
  }

  async #writeAt(
    path: string,
    attributes: FileAttributes,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    name: string,
    sizeBytes?: number,
  ) {
    // Known to be too large: nothing of it is read.
    if (sizeBytes !== undefined && sizeBytes > this.#writer.freeBytes) throw new Ext4FullError('blocks');
    await this.#writer.addFile(path, attributes, this.#watched(content, name), sizeBytes);
    this.#files++;
  }

  async *#watched(
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    name: string,
  ): AsyncGenerator<Uint8Array, void> {
    const {report, signal} = this.#options;
    for await (const piece of content) {
      signal.throwIfAborted();
      yield piece;
      report(name, (this.#bytes += piece.length));
    }
  }

  get #plainAttributes(): FileAttributes {
    return {mode: 0o644, uid: 0, gid: 0, mtime: this.#options.now};
  }

  #explain(error: unknown, name: string): unknown {
    if (error instanceof Ext4FullError) {
      const what = error.kind === 'inodes' ? 'the number of files that its file system can have' : 'its room';
      return new PipelineError(
        'CONTENT_TOO_LARGE',
        `${name} does not fit into the image: ${what} is used up`,
        {
          cause: error,
          hint:
            error.kind === 'inodes'
              ? 'Ask for a larger image (output.size): the number of files grows with it.'
              : `${formatByteSize(this.#writer.freeBytes)} are left. Say how large it is once unpacked (size), or ask for a larger image (output.size).`,
        },
      );
    }
    if (error instanceof TooMuchError)
      return new PipelineError(
        'CONTENT_INVALID',
        `${name} unpacks to more than the ${error.most} bytes that size says`,
        {
          cause: error,
          hint: 'Correct size, if you trust the archive.',
        },
      );
    if (error instanceof ArchiveError)
      return new PipelineError('CONTENT_INVALID', `${name} cannot be unpacked: ${error.message}`, {
        cause: error,
      });
    if (error instanceof InTheWayError)
      return new PipelineError('CONTENT_INVALID', `${name} cannot be written: ${error.message}`, {
        cause: error,
      });
    return error;
  }
}

/** An archive that is larger than was said. */
class TooMuchError extends Error {
  readonly most: number;

  constructor(most: number) {
    super(`more than ${most} bytes`);
    this.most = most;
  }
}

async function* limited(
  content: AsyncIterable<Uint8Array>,
  most: number | undefined,
): AsyncGenerator<Uint8Array, void> {
  let length = 0;
  for await (const piece of content) {
    length += piece.length;
    if (most !== undefined && length > most) throw new TooMuchError(most);
    yield piece;
  }
}
