import {createHash} from 'node:crypto';
import {dirname, posix} from 'node:path';
import {ArchiveError} from '../../archive/archive-error.ts';
import {openFileTree, type FileTree} from '../../archive/file-tree.ts';
import {readStored, type StoredFile} from '../../archive/stored-file.ts';
import {OtaError} from '../ota-error.ts';
import {parseMetadataToken, type HashedFile, type MetadataToken} from './metadata-jwt.ts';
import {
  parseDirectory,
  parseLines,
  parsePersistent,
  parseRegular,
  parseSymlink,
  type RegularLine,
} from './text-files.ts';

const tokenFile = 'metadata.jwt';
/** A list of a million files has some 200 MB. */
const mostListBytes = 512 * 1024 * 1024;

/** A legacy OTA image: a folder, or a tar of it, compressed or not. */
export class LegacyImage implements AsyncDisposable {
  /** As the caller named it; for messages. */
  readonly location: string;
  readonly token: MetadataToken;
  /** metadata.jwt as it is stored. */
  readonly tokenBytes: Buffer;
  readonly #tree: FileTree;

  private constructor(location: string, tree: FileTree, tokenBytes: Buffer) {
    this.location = location;
    this.#tree = tree;
    this.tokenBytes = tokenBytes;
    this.token = parseMetadataToken(tokenBytes.toString('utf8'));
  }

  /**
   * @param spoolParent Where the contents of a compressed tar are kept meanwhile; beside the image when absent.
   * @example
   * await using image = await LegacyImage.open('image.tgz');
   * for (const {path, sha256} of await image.regulars()) …
   * @throws {OtaError} NOT_AN_IMAGE, METADATA_INVALID, PATH_UNSAFE
   */
  static async open(location: string, spoolParent: string = dirname(location)): Promise<LegacyImage> {
    const tree = await openFileTree(location, spoolParent).catch((error: unknown) => {
      throw asOtaError(error, location);
    });
    try {
      const token = await tree.find(tokenFile);
      if (token === undefined) {
        throw new OtaError('NOT_AN_IMAGE', `${location} is not a legacy OTA image: it has no ${tokenFile}`, {
          hint: 'Expected a folder with metadata.jwt, or a tar (also .gz, .zst, .xz) with it at its top.',
        });
      }
      return new LegacyImage(location, tree, readLimited(token, tokenFile, 1024 * 1024));
    } catch (error) {
      await tree[Symbol.asyncDispose]();
      throw asOtaError(error, location);
    }
  }

  /** A file that metadata.jwt vouches for, after its hash was found right. */
  async metaFile({file, hash}: HashedFile): Promise<Buffer> {
    const stored = await this.#find(file);
    if (stored === undefined) throw new OtaError('BLOB_MISSING', `${this.location} lacks ${file}`);
    const content = readLimited(stored, file, mostListBytes);
    const found = createHash('sha256').update(content).digest('hex');
    if (found !== hash) {
      throw new OtaError(
        'BLOB_CORRUPT',
        `${file} in ${this.location} is not the one that metadata.jwt names`,
      );
    }
    return content;
  }

  async directories() {
    return parseLines(utf8(await this.metaFile(this.token.metadata.directory)), parseDirectory);
  }

  async symlinks() {
    return parseLines(utf8(await this.metaFile(this.token.metadata.symboliclink)), parseSymlink);
  }

  async regulars() {
    return parseLines(utf8(await this.metaFile(this.token.metadata.regular)), parseRegular);
  }

  async persistents() {
    return parseLines(utf8(await this.metaFile(this.token.metadata.persistent)), parsePersistent);
  }

  /**
   * Where the stored content of a file lies, compressed if the line says so.
   *
   * @throws {OtaError} BLOB_MISSING, PATH_UNSAFE
   */
  async stored(line: RegularLine): Promise<StoredFile> {
    const {rootfsDirectory, compressedRootfsDirectory} = this.token.metadata;
    checkPath(line.path);
    if (line.compression !== undefined && line.compression !== 'zst') {
      throw new OtaError(
        'METADATA_INVALID',
        `${line.path} is compressed by ${line.compression}, which is not known`,
      );
    }
    if (line.compression === 'zst' && compressedRootfsDirectory === undefined) {
      throw new OtaError(
        'METADATA_INVALID',
        `${line.path} is compressed, but the image has no folder for such files`,
      );
    }
    const path =
      line.compression === 'zst'
        ? `${compressedRootfsDirectory ?? ''}/${line.sha256}.zst`
        : `${rootfsDirectory}${line.path}`;
    const stored = await this.#find(path);
    if (stored === undefined) throw new OtaError('BLOB_MISSING', `${this.location} lacks ${path}`);
    if (
      line.compression === undefined &&
      line.sizeBytes !== undefined &&
      stored.sizeBytes !== line.sizeBytes
    ) {
      throw new OtaError(
        'BLOB_CORRUPT',
        `${path} has ${stored.sizeBytes} bytes, and ${line.sizeBytes} in regulars.txt`,
      );
    }
    return stored;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tree[Symbol.asyncDispose]();
  }

  async #find(path: string): Promise<StoredFile | undefined> {
    return this.#tree.find(path).catch((error: unknown) => {
      throw asOtaError(error, this.location);
    });
  }
}

/** @throws {OtaError} PATH_UNSAFE for a path of the root file system that is not absolute and plain. */
export function checkPath(path: string): void {
  if (!path.startsWith('/') || path.includes('\0') || path === '/' || posix.normalize(path) !== path) {
    throw new OtaError('PATH_UNSAFE', `${JSON.stringify(path)} is not a plain absolute path`);
  }
}

function readLimited(file: StoredFile, name: string, limit: number): Buffer {
  if (file.sizeBytes > limit) throw new OtaError('METADATA_INVALID', `${name} is far too large`);
  return readStored(file);
}

function utf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(bytes);
  } catch (error) {
    throw new OtaError('NAME_NOT_UTF8', 'a list of the image has names that are not UTF-8', {cause: error});
  }
}

/** Errors of archives and files in the words of `api/ota`. */
export function asOtaError(error: unknown, location: string): unknown {
  if (error instanceof ArchiveError) {
    return new OtaError('NOT_AN_IMAGE', `${location} cannot be used: ${error.message}`, {cause: error});
  }
  const {code} = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return new OtaError('NOT_AN_IMAGE', `${location} does not exist`, {cause: error});
  if (code === 'EACCES')
    return new OtaError('IO_FAILED', `${location} must not be read by this user`, {cause: error});
  return error;
}
