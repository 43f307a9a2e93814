import type {ByteSource} from './byte-source.ts';

/** Reading and writing whole pages keeps what has to be remembered simple; no sector is smaller. */
const pageBytes = 512;

/** Bytes that replace those of a source. */
export interface Patch {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** A source with changes that are only in memory: reading it shows them, the source itself stays as it is. */
export class PatchedSource implements ByteSource {
  readonly sizeBytes: number;
  readonly #base: ByteSource;
  readonly #pages = new Map<number, Buffer>();
  #patches: readonly Patch[] | undefined;

  constructor(base: ByteSource) {
    this.#base = base;
    this.sizeBytes = base.sizeBytes;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const block = await this.#base.read(offset, length);
    // A copy where something changes: the base may hand out its own memory.
    if (this.#pages.size === 0) return block;
    const result = Buffer.from(block);
    for (let number = Math.floor(offset / pageBytes); number * pageBytes < offset + result.length; number++) {
      const page = this.#pages.get(number);
      if (page !== undefined) copyInto(result, offset, page, number * pageBytes);
    }
    return result;
  }

  /** Replaces bytes. What lies beyond the end of the source is an error of the caller. */
  async write(offset: number, bytes: Buffer): Promise<void> {
    if (offset < 0 || offset + bytes.length > this.sizeBytes)
      throw new RangeError(`write of ${bytes.length} bytes at ${offset} of ${this.sizeBytes}`);
    this.#patches = undefined;
    for (let at = 0; at < bytes.length;) {
      const number = Math.floor((offset + at) / pageBytes);
      const inPage = (offset + at) % pageBytes;
      const piece = bytes.subarray(at, at + pageBytes - inPage);
      if (piece.length === pageBytes) {
        this.#pages.set(number, Buffer.from(piece));
      } else {
        const page =
          this.#pages.get(number) ?? Buffer.from(await this.#base.read(number * pageBytes, pageBytes));
        piece.copy(page, inPage);
        this.#pages.set(number, page);
      }
      at += piece.length;
    }
  }

  /** Puts the changes into a block that was read from the source itself at `offset`. */
  applyTo(block: Buffer, offset: number): void {
    for (const patch of this.patches) copyInto(block, offset, patch.bytes, patch.offset);
  }

  /** The changes, sorted, neighbours joined. */
  get patches(): readonly Patch[] {
    return (this.#patches ??= this.#joinPages());
  }

  #joinPages(): readonly Patch[] {
    const runs: {offset: number; end: number; pages: Buffer[]}[] = [];
    for (const [number, page] of [...this.#pages].sort(([a], [b]) => a - b)) {
      const offset = number * pageBytes;
      const last = runs.at(-1);
      if (last?.end === offset) {
        last.pages.push(page);
        last.end += page.length;
      } else {
        runs.push({offset, end: offset + page.length, pages: [page]});
      }
    }
    return runs.map(({offset, pages}) => ({offset, bytes: Buffer.concat(pages)}));
  }
}

/** Copies the part of `bytes`, which lie at `at`, that falls into `block`, which lies at `offset`. */
function copyInto(block: Buffer, offset: number, bytes: Buffer, at: number): void {
  const from = Math.max(offset, at);
  const to = Math.min(offset + block.length, at + bytes.length);
  if (from < to) bytes.copy(block, from - offset, from - at, to - at);
}
