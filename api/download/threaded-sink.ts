import type {Worker} from 'node:worker_threads';
import {startWorker} from '../start-worker.ts';
import type {ChecksumAlgorithm} from './download-request.ts';
import type {FileSink} from './file-sink.ts';
import type {Digests} from './hashing-file.ts';

/** What the thread gets at its start. */
export interface SinkStart {
  readonly path: string;
  readonly start: number;
  readonly algorithms: readonly ChecksumAlgorithm[];
  readonly slots: readonly SharedArrayBuffer[];
}

export type SinkMessage =
  | {readonly type: 'open'}
  | {readonly type: 'write'; readonly slot: number; readonly length: number}
  | {readonly type: 'finish'}
  | {readonly type: 'abandon'};

export type SinkReply =
  | {readonly type: 'open'}
  | {readonly type: 'free'; readonly slot: number}
  | {readonly type: 'finished'; readonly digests: Digests}
  | {readonly type: 'abandoned'}
  | {readonly type: 'failed'; readonly message: string; readonly code: string | undefined};

const slotBytes = 1024 * 1024;
const slotCount = 3;

/** Writes and hashes in a thread of its own, through buffers that both threads see. */
export class ThreadedSink implements FileSink {
  readonly #worker: Worker;
  readonly #slots: readonly Uint8Array[];
  readonly #free: number[];
  /** The slot that is being filled, and how far. */
  #slot: number | undefined;
  #used = 0;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  #last: SinkReply | undefined;

  private constructor(options: Omit<SinkStart, 'slots'>) {
    const slots = Array.from({length: slotCount}, () => new SharedArrayBuffer(slotBytes));
    this.#slots = slots.map((slot) => new Uint8Array(slot));
    this.#free = slots.map((_, index) => index);
    const script = new URL(
      import.meta.url.endsWith('.ts') ? 'sink-worker.ts' : 'sink-worker.js',
      import.meta.url,
    );
    this.#worker = startWorker(script, {...options, slots} satisfies SinkStart);
    this.#worker.on('message', (reply: SinkReply) => this.#take(reply));
    this.#worker.on('error', (error) => this.#fail(error));
  }

  static async open(options: Omit<SinkStart, 'slots'>): Promise<ThreadedSink> {
    const sink = new ThreadedSink(options);
    try {
      await sink.#ask({type: 'open'}, 'open');
      return sink;
    } catch (error) {
      await sink.#worker.terminate();
      throw error;
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const slot = await this.#room();
      const target = this.#slots[slot];
      const length = Math.min(slotBytes - this.#used, bytes.length - done);
      target?.set(bytes.subarray(done, done + length), this.#used);
      this.#used += length;
      done += length;
      if (this.#used === slotBytes) this.#send();
    }
  }

  async finish(): Promise<Digests> {
    this.#send();
    const reply = await this.#ask({type: 'finish'}, 'finished');
    await this.#worker.terminate();
    if (reply.type !== 'finished') throw new Error('the thread gave no digests');
    return reply.digests;
  }

  async abandon(): Promise<void> {
    this.#send();
    // What is in the buffers is good for the next run; whether it can be written does not matter now.
    if (this.#failure === undefined) await this.#ask({type: 'abandon'}, 'abandoned').catch(() => undefined);
    await this.#worker.terminate();
  }

  #send(): void {
    if (this.#slot === undefined) return;
    this.#worker.postMessage({type: 'write', slot: this.#slot, length: this.#used} satisfies SinkMessage);
    this.#slot = undefined;
    this.#used = 0;
  }

  async #room(): Promise<number> {
    while (this.#slot === undefined) {
      if (this.#failure !== undefined) throw this.#failure;
      this.#slot = this.#free.shift();
      if (this.#slot === undefined) await this.#news();
    }
    return this.#slot;
  }

  async #ask(message: SinkMessage, answer: SinkReply['type']): Promise<SinkReply> {
    this.#last = undefined;
    this.#worker.postMessage(message);
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const last = this.#last as SinkReply | undefined;
      if (last?.type === answer) return last;
      await this.#news();
    }
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #take(reply: SinkReply): void {
    if (reply.type === 'free') this.#free.push(reply.slot);
    else if (reply.type === 'failed') {
      this.#fail(Object.assign(new Error(reply.message), reply.code !== undefined && {code: reply.code}));
    } else this.#last = reply;
    this.#wake?.();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
  }
}
