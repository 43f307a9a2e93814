import type {Notice} from '../events/event.ts';

/** How far something is. */
export interface Progress {
  readonly doneBytes: number;
  /** Absent when nobody knows. */
  readonly totalBytes?: number | undefined;
  /** Over the last seconds. */
  readonly bytesPerSecond: number;
  /** Absent when nobody knows. */
  readonly secondsLeft?: number | undefined;
}

export interface DownloadStarted {
  readonly type: 'download-started';
  readonly id: string;
  readonly url: string;
  /** How many bytes an earlier run has left. */
  readonly resumedBytes: number;
  readonly totalBytes?: number | undefined;
}

/** At most ten times a second for a file. */
export interface DownloadProgress extends Progress {
  readonly type: 'download-progress';
  readonly id: string;
  /** Of all files of the run. */
  readonly overall: Progress;
}

export interface DownloadRetried {
  readonly type: 'download-retried';
  readonly id: string;
  /** The address that is asked next. */
  readonly url: string;
  readonly reason: string;
  readonly waitMs: number;
}

export interface DownloadFinished {
  readonly type: 'download-finished';
  readonly id: string;
  readonly sizeBytes: number;
  readonly from: 'network' | 'cache' | 'local';
  readonly durationMs: number;
}

export interface DownloadFailed {
  readonly type: 'download-failed';
  readonly id: string;
  readonly message: string;
}

/** Everything that downloads say while they run. */
export type DownloadEvent =
  DownloadStarted | DownloadProgress | DownloadRetried | DownloadFinished | DownloadFailed | Notice;

export type DownloadListener = (event: DownloadEvent) => void;
