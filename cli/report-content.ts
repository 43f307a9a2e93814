import type {ContentEvent} from '../api/content/content-event.ts';
import type {CliContext} from './context.ts';
import {reportWork, type WorkIo} from './report-work.ts';

/** Runs `content create` with its progress. */
export function reportContent<T extends object>(
  context: CliContext,
  {json}: {readonly json?: boolean | undefined},
  work: (io: WorkIo<ContentEvent>) => Promise<T>,
): Promise<T> {
  const loadReporter = async () => (await import('./reporters/content-reporter.ts')).ContentReporter;
  return reportWork(context, {json, loadReporter}, work);
}
