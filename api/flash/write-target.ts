import type {MappedRange} from '../disk/bmap.ts';
import type {FileSource} from '../disk/byte-source.ts';
import {sumRanges} from '../disk/byte-range.ts';
import type {PatchedSource} from '../disk/patched-source.ts';
import {PipelineError} from '../errors.ts';
import {copyRanges, ImageDamagedError, NotAsWrittenError, verifyRanges} from './copy-ranges.ts';
import {inPhase, type FlashListener} from './flash-event.ts';
import type {OpenTarget, Target} from './target.ts';

interface WriteOptions {
  readonly target: Target;
  readonly image: FileSource;
  /** What the user called the image. */
  readonly label: string;
  readonly disk: PatchedSource;
  readonly ranges: readonly MappedRange[];
  readonly emit: FlashListener;
  readonly signal: AbortSignal;
}

interface Written {
  readonly writtenBytes: number;
  readonly writeMs: number;
  readonly verifyMs: number;
}

/**
 * Writes ranges of an image to a target and verifies them.
 *
 * @throws PipelineError `DEVICE_UNUSABLE` before anything is written; then `FLASH_FAILED`, `INTERRUPTED` with the state
 *   that the target is left in
 */
export async function writeTarget(options: WriteOptions): Promise<Written> {
  const {target, image, disk, ranges, emit, signal} = options;
  const totalBytes = sumRanges(ranges);
  const open = await target.open(image.sizeBytes);
  try {
    const startMs = performance.now();
    const from = {read: (bytes: Buffer, offset: number) => image.readInto(bytes, offset)};
    await inPhase('write', target.path, emit, async (progress) => {
      const report = (doneBytes: number) => progress(doneBytes, totalBytes);
      await copyRanges({
        from,
        to: open.file,
        patches: disk,
        ranges,
        progress: report,
        signal,
      });
      await open.file.flush();
    });
    const writtenMs = performance.now();
    await open.file.dropCache();
    await inPhase('verify', target.path, emit, (progress) =>
      verifyRanges({
        image: from,
        patches: disk,
        target: open.file,
        ranges,
        progress: (doneBytes) => progress(doneBytes, totalBytes),
        signal,
      }),
    );
    await open.finish();
    return {writtenBytes: totalBytes, writeMs: writtenMs - startMs, verifyMs: performance.now() - writtenMs};
  } catch (error) {
    throw await explain(error, options, open);
  }
}

async function explain(
  error: unknown,
  {target, signal, label}: WriteOptions,
  open: OpenTarget,
): Promise<PipelineError> {
  // It may be gone, and closing it fail: what has happened before is what counts.
  await open.abandon().catch(() => undefined);
  const {stateAfterFailure: state, path, device} = target;
  if (signal.aborted && error === signal.reason)
    return new PipelineError('INTERRUPTED', 'stopped', {cause: error, hint: state});
  const failed = (message: string) => new PipelineError('FLASH_FAILED', message, {cause: error, hint: state});
  if (error instanceof ImageDamagedError) return failed(`the image ${label} is damaged: ${error.message}`);
  if (!(await target.isPresent())) return failed(`${path} has vanished while it was written`);
  if (error instanceof NotAsWrittenError) {
    return failed(
      `${path} does not keep what is written to it: ${error.message}. The card is worn out or not as large as it says, or the reader is bad`,
    );
  }
  const {code, message} = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  if (code !== 'ENOSPC') return failed(`${path} cannot be written: ${message}`);
  return failed(device === undefined ? `there is no room for ${path}` : `${path} has less room than it says`);
}
