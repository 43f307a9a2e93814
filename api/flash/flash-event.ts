import type {Notice} from '../events/event.ts';

/** What `flash` and `personalise` spend their time with, in this order; not every run has all of them. */
export type FlashPhase = 'download' | 'unpack' | 'write' | 'verify';

export interface FlashPhaseStarted {
  readonly type: 'flash-phase-started';
  readonly phase: FlashPhase;
  /** What is worked on: an address, a file, a device. */
  readonly subject: string;
}

export interface FlashProgress {
  readonly type: 'flash-progress';
  readonly phase: FlashPhase;
  readonly doneBytes: number;
  /** Absent when nobody knows. */
  readonly totalBytes?: number;
}

export interface FlashPhaseFinished {
  readonly type: 'flash-phase-finished';
  readonly phase: FlashPhase;
  readonly doneBytes: number;
  readonly durationMs: number;
}

/** Everything that `flash` and `personalise` say while they work. */
export type FlashEvent = FlashPhaseStarted | FlashProgress | FlashPhaseFinished | Notice;

export type FlashListener = (event: FlashEvent) => void;

/** Runs a part of the work with its events around it. */
export async function inPhase<T>(
  phase: FlashPhase,
  subject: string,
  emit: FlashListener,
  work: (progress: (doneBytes: number, totalBytes?: number) => void) => Promise<T>,
): Promise<T> {
  const startedMs = performance.now();
  let done = 0;
  emit({type: 'flash-phase-started', phase, subject});
  const result = await work((doneBytes, totalBytes) => {
    done = doneBytes;
    emit({type: 'flash-progress', phase, doneBytes, ...(totalBytes !== undefined && {totalBytes})});
  });
  emit({type: 'flash-phase-finished', phase, doneBytes: done, durationMs: performance.now() - startedMs});
  return result;
}
