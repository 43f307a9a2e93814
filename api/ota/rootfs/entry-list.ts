import {OtaError} from '../ota-error.ts';
import {fileTypes, type Rootfs, type RootfsEntry} from './rootfs.ts';

const typeNames: Readonly<Record<number, string>> = {
  [fileTypes.socket]: 'socket',
  [fileTypes.blockDevice]: 'block device',
  [fileTypes.characterDevice]: 'character device',
  [fileTypes.pipe]: 'pipe',
};

/** Collects the entries of a root file system from any source, with the rules that hold for all of them. */
export class EntryList {
  readonly #entries = new Map<string, RootfsEntry>();
  readonly #dropped: {path: string; type: string}[] = [];

  /** `isDevice00`: a device has the numbers 0:0; as a character device it is a whiteout. What an image cannot hold is set aside. */
  add(entry: RootfsEntry, {isDevice00 = false} = {}): void {
    const type = entry.mode & fileTypes.mask;
    const isWhiteout = type === fileTypes.characterDevice && isDevice00;
    if (type === fileTypes.file || type === fileTypes.folder || type === fileTypes.link || isWhiteout) {
      this.#entries.set(entry.path, entry);
    } else {
      this.#dropped.push({path: entry.path, type: typeNames[type] ?? 'file of unknown type'});
    }
  }

  /** The entry added last under a path. */
  get(path: string): RootfsEntry | undefined {
    return this.#entries.get(path);
  }

  /**
   * @throws {OtaError} ROOTFS_INVALID if the root is missing, or a folder above an entry
   */
  finish(dispose: () => Promise<void> = () => Promise.resolve()): Rootfs {
    if (!this.#entries.has('/'))
      throw new OtaError('ROOTFS_INVALID', 'The root file system has no root folder');
    const entries = [...this.#entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
    for (const {path} of entries) {
      const parent = path.slice(0, path.lastIndexOf('/')) || '/';
      const above = this.#entries.get(parent);
      if (above === undefined || (above.mode & fileTypes.mask) !== fileTypes.folder) {
        throw new OtaError('ROOTFS_INVALID', `The root file system has ${path}, but no folder ${parent}`);
      }
    }
    return {
      entries,
      dropped: this.#dropped.sort((a, b) => (a.path < b.path ? -1 : 1)),
      [Symbol.asyncDispose]: dispose,
    };
  }
}

/**
 * Text of a root file system: a name, or the target of a link.
 * @throws {OtaError} NAME_NOT_UTF8, which names it with `\xNN` for what is no UTF-8
 */
export function decodeName(bytes: Buffer, what: string): string {
  const text = bytes.toString('utf8');
  if (Buffer.byteLength(text) === bytes.length && Buffer.from(text).equals(bytes)) return text;
  throw new OtaError('NAME_NOT_UTF8', `${what} is not UTF-8: ${printable(bytes)}`, {
    hint: 'An OTA image can only hold names in UTF-8; rename it (convmv does whole trees).',
  });
}

function printable(bytes: Buffer): string {
  return [...bytes]
    .map((byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
    )
    .join('');
}
