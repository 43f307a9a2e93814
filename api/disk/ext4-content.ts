import type {BlockRun, Ext4Groups} from './ext4-groups.ts';
import {mostBlocksInExtent} from './ext4-extent-tree.ts';
import type {RandomFile} from './random-file.ts';

const bufferBytes = 1024 * 1024;

/** Where content has gone. */
export interface WrittenContent {
  readonly sizeBytes: number;
  readonly runs: readonly BlockRun[];
}

/**
 * Writes contents of files into free blocks, through two buffers: while the kernel takes one, the other is filled.
 * One file at a time; its memory is the same for a file of any size.
 */
export class Ext4ContentWriter {
  readonly #file: RandomFile;
  readonly #groups: Ext4Groups;
  readonly #blockBytes: number;
  #buffer = Buffer.allocUnsafe(bufferBytes);
  #other = Buffer.allocUnsafe(bufferBytes);
  #pending: Promise<unknown> = Promise.resolve();

  constructor(file: RandomFile, groups: Ext4Groups, blockBytes: number) {
    this.#file = file;
    this.#groups = groups;
    this.#blockBytes = blockBytes;
  }

  /**
   * @param expectedBytes Lets the file lie in one piece.
   * @throws Ext4FullError
   */
  async write(
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    expectedBytes = 0,
  ): Promise<WrittenContent> {
    const room = new Room(this.#groups, Math.ceil(expectedBytes / this.#blockBytes));
    let sizeBytes = 0;
    let used = 0;
    for await (const chunk of content) {
      sizeBytes += chunk.length;
      for (let done = 0; done < chunk.length;) {
        const piece = chunk.subarray(done, done + bufferBytes - used);
        this.#buffer.set(piece, used);
        used += piece.length;
        done += piece.length;
        if (used === bufferBytes) {
          await this.#flush(used, room);
          used = 0;
        }
      }
    }
    if (used > 0) {
      const padded = Math.ceil(used / this.#blockBytes) * this.#blockBytes;
      this.#buffer.fill(0, used, padded);
      await this.#flush(padded, room);
    }
    return {sizeBytes, runs: await room.finish()};
  }

  /** Returns when everything has been written. */
  async settle(): Promise<void> {
    await this.#pending;
  }

  async #flush(length: number, room: Room): Promise<void> {
    const bytes = this.#buffer.subarray(0, length);
    const runs = await room.take(length / this.#blockBytes);
    await this.#pending;
    this.#pending = this.#writeRuns(bytes, runs);
    // Awaited by the next flush; until then a failure must not count as one that nobody handles.
    this.#pending.catch(() => undefined);
    [this.#buffer, this.#other] = [this.#other, this.#buffer];
  }

  async #writeRuns(bytes: Buffer, runs: readonly BlockRun[]): Promise<void> {
    let at = 0;
    for (const {start, count} of runs) {
      const length = count * this.#blockBytes;
      await this.#file.write(start * this.#blockBytes, bytes.subarray(at, at + length));
      at += length;
    }
  }
}

/** Blocks for one file: taken in long runs, as far ahead as its size is known. */
class Room {
  readonly #groups: Ext4Groups;
  readonly #used: BlockRun[] = [];
  #expected: number;
  #run: BlockRun = {start: 0, count: 0};

  constructor(groups: Ext4Groups, expectedBlocks: number) {
    this.#groups = groups;
    this.#expected = expectedBlocks;
  }

  async take(count: number): Promise<readonly BlockRun[]> {
    const runs: BlockRun[] = [];
    for (let left = count; left > 0;) {
      if (this.#run.count === 0)
        this.#run = await this.#groups.takeBlocks(
          Math.min(mostBlocksInExtent, Math.max(left, this.#expected)),
        );
      const part = Math.min(left, this.#run.count);
      runs.push({start: this.#run.start, count: part});
      this.#run = {start: this.#run.start + part, count: this.#run.count - part};
      this.#expected = Math.max(0, this.#expected - part);
      left -= part;
    }
    this.#used.push(...runs);
    return runs;
  }

  /** Gives back what was not needed. */
  async finish(): Promise<readonly BlockRun[]> {
    if (this.#run.count > 0) await this.#groups.giveBlocks(this.#run);
    return this.#used;
  }
}
