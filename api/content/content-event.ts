import type {DownloadEvent} from '../download/download-event.ts';

/** What making a content image spends its time with, in this order. */
export type ContentPhase = 'check' | 'download' | 'images' | 'unpack' | 'resize' | 'fill' | 'verify';

export interface ContentPhaseStarted {
  readonly type: 'content-phase-started';
  readonly phase: ContentPhase;
}

export interface ContentProgress {
  readonly type: 'content-progress';
  readonly phase: ContentPhase;
  /** What is worked on: a field of the configuration, an address. */
  readonly subject: string;
  readonly doneBytes: number;
  /** Absent when nobody knows. */
  readonly totalBytes?: number | undefined;
}

export interface ContentPhaseFinished {
  readonly type: 'content-phase-finished';
  readonly phase: ContentPhase;
  readonly doneBytes: number;
  readonly durationMs: number;
}

/** Everything that making a content image says while it works. */
export type ContentEvent = ContentPhaseStarted | ContentProgress | ContentPhaseFinished | DownloadEvent;

export type ContentListener = (event: ContentEvent) => void;

/** Says how much of a phase is done; called often. */
export type Report = (subject: string, doneBytes: number, totalBytes?: number) => void;

/** Runs a part of the work with its events around it. */
export async function inPhase<T>(
  phase: ContentPhase,
  emit: ContentListener,
  work: (report: Report) => Promise<T>,
): Promise<T> {
  const startedMs = performance.now();
  let done = 0;
  emit({type: 'content-phase-started', phase});
  const result = await work((subject, doneBytes, totalBytes) => {
    done = doneBytes;
    emit({type: 'content-progress', phase, subject, doneBytes, totalBytes});
  });
  emit({type: 'content-phase-finished', phase, doneBytes: done, durationMs: performance.now() - startedMs});
  return result;
}
