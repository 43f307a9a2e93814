import type {ContentListener} from '../api/content/content-event.ts';
import type {CliContext} from './context.ts';
import {describeError} from './describe-error.ts';
import {isLive} from './reporters/create-reporter.ts';
import {writeJsonLine} from './reporters/json-reporter.ts';
import {stoppingMessage} from './reporters/reporter.ts';

/** What `content create` is given to work with. */
export interface ContentIo {
  readonly onEvent: ContentListener;
  readonly signal: AbortSignal;
  /** Gives the terminal back to whoever prints something else. */
  readonly pause: () => void;
}

// Not in a function that has a `using`: there tsc 6 leaves the ending of a dynamic import as it is.
const loadReporter = () => import('./reporters/content-reporter.ts');

/** Runs the work with its progress on stderr, or with `--json` all of it as lines on stdout. */
export async function reportContent<T extends object>(
  context: CliContext,
  {json}: {readonly json?: boolean | undefined},
  work: (io: ContentIo) => Promise<T>,
): Promise<T> {
  const signal = context.interrupt.listen();
  const {stderr: output, symbols, stdout} = context;
  const {ContentReporter} = await loadReporter();
  const colors = await context.colors('stderr');
  using reporter = new ContentReporter({output, symbols, colors, isLive: isLive(context)});
  const announceStop = (): void => {
    if (json) writeJsonLine(stdout, {type: 'notice', level: 'warning', message: stoppingMessage});
    else reporter.stopping();
  };
  signal.addEventListener('abort', announceStop, {once: true});
  try {
    const result = await work({
      onEvent: (event) => {
        if (json) writeJsonLine(stdout, event);
        else reporter.on(event);
      },
      signal,
      pause: () => {
        reporter.pause();
      },
    });
    if (json) writeJsonLine(stdout, {type: 'result', ok: true, ...result});
    return result;
  } catch (error) {
    if (json) writeJsonLine(stdout, {type: 'result', ok: false, error: describeError(error)});
    throw error;
  } finally {
    signal.removeEventListener('abort', announceStop);
  }
}
