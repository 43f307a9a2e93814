import {mkdir, rm, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {z} from 'zod';
import type {Validator} from '../cache/cache-entry.ts';
import {readRecord, writeRecord} from '../cache/record-file.ts';

const State = z.object({
  /** Which server the bytes came from. */
  address: z.string(),
  validator: z.object({etag: z.string().optional(), lastModified: z.string().optional()}),
  totalBytes: z.number().int().nonnegative().optional(),
});

/** Where the bytes of a part come from, and of which version of the file they are. */
export interface PartialState {
  readonly address: string;
  readonly validator: Validator;
  readonly totalBytes?: number | undefined;
}

/** The part of a file that there is already, with what is needed to go on with it: a folder of its own. */
export class PartialFile {
  readonly folder: string;
  readonly path: string;
  readonly #record: string;

  constructor(folder: string) {
    this.folder = folder;
    this.path = join(folder, 'content');
    this.#record = join(folder, 'state.json');
  }

  /** How many bytes there are; 0 when nobody knows any more what they are of. */
  async have(): Promise<number> {
    const [stats, state] = await Promise.all([stat(this.path).catch(() => undefined), this.state()]);
    return state === undefined || stats?.isFile() !== true ? 0 : stats.size;
  }

  state(): Promise<PartialState | undefined> {
    return readRecord(this.#record, State);
  }

  /** Before the first byte: a part without its state is never gone on with. */
  async begin(state: PartialState): Promise<void> {
    await rm(this.path, {force: true});
    await mkdir(this.folder, {recursive: true});
    await writeRecord(this.#record, state);
  }

  async remove(): Promise<void> {
    await rm(this.folder, {recursive: true, force: true});
  }
}
