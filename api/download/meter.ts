import type {DownloadListener, Progress} from './download-event.ts';

/** A rate is that of the last seconds: what was fast an hour ago says nothing about now. */
const windowMs = 5000;
const leastMs = 100;

/** Counts the bytes of a run and says how far it is. */
export class Meter {
  readonly #files = new Map<string, FileMeter>();
  readonly #rate = new Rate();
  readonly #emit: DownloadListener;

  /** @param sizes By id; undefined for those that nobody knows yet. */
  constructor(sizes: ReadonlyMap<string, number | undefined>, emit: DownloadListener) {
    this.#emit = emit;
    for (const [id, totalBytes] of sizes)
      this.#files.set(id, {doneBytes: 0, totalBytes, rate: new Rate(), saidMs: -Infinity, saidBytes: 0});
  }

  /** Bytes have come. */
  received(id: string, bytes: number): void {
    const now = performance.now();
    this.#files.get(id)?.rate.add(bytes, now);
    this.#rate.add(bytes, now);
  }

  /** So much of a file is there. */
  reached(id: string, doneBytes: number, totalBytes: number | undefined): void {
    const file = this.#files.get(id);
    if (file === undefined) return;
    file.doneBytes = doneBytes;
    file.totalBytes = totalBytes ?? file.totalBytes;
    const now = performance.now();
    const isComplete = doneBytes === file.totalBytes;
    const isFirst = file.saidBytes === 0 && doneBytes > 0;
    if (now - file.saidMs < leastMs && !isComplete && !isFirst) return;
    file.saidBytes = doneBytes;
    file.saidMs = now;
    this.#emit({
      type: 'download-progress',
      id,
      ...progressOf(doneBytes, file.totalBytes, file.rate.perSecond(now)),
      overall: this.#overall(now),
    });
  }

  #overall(now: number): Progress {
    const files = [...this.#files.values()];
    const doneBytes = files.reduce((sum, file) => sum + file.doneBytes, 0);
    const isKnown = files.every(({totalBytes}) => totalBytes !== undefined);
    const totalBytes = isKnown ? files.reduce((sum, file) => sum + (file.totalBytes ?? 0), 0) : undefined;
    return progressOf(doneBytes, totalBytes, this.#rate.perSecond(now));
  }
}

interface FileMeter {
  doneBytes: number;
  totalBytes: number | undefined;
  readonly rate: Rate;
  saidMs: number;
  saidBytes: number;
}

function progressOf(doneBytes: number, totalBytes: number | undefined, bytesPerSecond: number): Progress {
  const left = totalBytes === undefined ? undefined : Math.max(0, totalBytes - doneBytes);
  return {
    doneBytes,
    ...(totalBytes !== undefined && {totalBytes}),
    bytesPerSecond,
    ...(left !== undefined && bytesPerSecond > 0 && {secondsLeft: left / bytesPerSecond}),
  };
}

/** Bytes per second over the last seconds, in steps of a tenth. */
export class Rate {
  readonly #steps: {readonly ms: number; bytes: number}[] = [];
  #startMs: number | undefined;

  add(bytes: number, nowMs: number): void {
    this.#startMs ??= nowMs;
    const last = this.#steps.at(-1);
    if (last !== undefined && nowMs - last.ms < leastMs) last.bytes += bytes;
    else this.#steps.push({ms: nowMs, bytes});
    this.#forget(nowMs);
  }

  perSecond(nowMs: number): number {
    this.#forget(nowMs);
    const bytes = this.#steps.reduce((sum, step) => sum + step.bytes, 0);
    const spanMs = Math.min(windowMs, nowMs - (this.#startMs ?? nowMs));
    // What comes in the first moment is what had been waiting in buffers.
    return spanMs < leastMs ? 0 : Math.round((bytes * 1000) / spanMs);
  }

  #forget(nowMs: number): void {
    while (this.#steps[0] !== undefined && nowMs - this.#steps[0].ms > windowMs) this.#steps.shift();
  }
}
