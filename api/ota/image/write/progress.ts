/** What making an image is doing now. */
export interface OtaProgress {
  readonly phase: 'hash' | 'store' | 'compress' | 'pack';
  /** Bytes done, of `total`. */
  readonly done: number;
  readonly total: number;
}

/** What takes long can be watched and stopped. */
export interface WorkOptions {
  /** Threads; 0 is none beside this one. Default: one for each CPU. The result is the same. */
  readonly workers?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: OtaProgress) => void) | undefined;
  /** Where temporary files are kept; default: the system's. */
  readonly tmpDir?: string | undefined;
}

/** Counts bytes of a phase. */
export function progressOf(
  phase: OtaProgress['phase'],
  total: number,
  onProgress: WorkOptions['onProgress'],
): (bytes: number) => void {
  let done = 0;
  return (bytes) => {
    done += bytes;
    onProgress?.({phase, done, total});
  };
}
