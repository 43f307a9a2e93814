import type {FlashEvent} from '../api/flash/flash-event.ts';
import type {CliContext} from './context.ts';
import {reportWork, type WorkIo} from './report-work.ts';

/** Runs `flash` and `personalise` with their progress: one phase after the other, with bytes. */
export function reportFlash<T extends object>(
  context: CliContext,
  {json}: {readonly json?: boolean | undefined},
  work: (io: WorkIo<FlashEvent>) => Promise<T>,
  isOk?: (result: T) => boolean,
): Promise<T> {
  const loadReporter = async () => (await import('./reporters/flash-reporter.ts')).FlashReporter;
  return reportWork(context, {json, loadReporter, isOk}, work);
}
