import type {EventListener, Verbosity} from '../api/events/event.ts';
import type {CliContext} from './context.ts';
import {describeError} from './describe-error.ts';
import {createReporter} from './reporters/create-reporter.ts';
import {writeJsonLine} from './reporters/json-reporter.ts';

/** What a piece of reported work is given. */
export interface RunIo {
  readonly onEvent: EventListener;
  readonly signal: AbortSignal;
  /** Ends the drawing early, for work that needs the terminal for itself. */
  readonly stopDrawing: () => void;
}

/** How a run is shown. */
export interface RunFlags {
  readonly json?: boolean | undefined;
  readonly verbosity?: Verbosity | undefined;
}

/**
 * Runs `work` under the reporter that fits, with Ctrl-C caught. With `--json` the last line is
 * `{"type":"result","ok":…}`, whatever happened; `isOk` tells whether a result counts as a success.
 */
export async function reportRun<T extends object>(
  context: CliContext,
  flags: RunFlags,
  work: (io: RunIo) => Promise<T>,
  isOk: (result: T) => boolean = () => true,
): Promise<T> {
  const signal = context.interrupt.listen();
  const verbosity = flags.verbosity ?? 'info';
  using reporter = await createReporter(context, {json: flags.json, verbosity});
  const announceStop = (): void => {
    reporter.stopping();
  };
  signal.addEventListener('abort', announceStop, {once: true});
  try {
    const result = await work({
      onEvent: (event) => {
        reporter.on(event);
      },
      signal,
      stopDrawing: () => {
        reporter[Symbol.dispose]();
      },
    });
    if (flags.json) writeJsonLine(context.stdout, {type: 'result', ok: isOk(result), ...result});
    return result;
  } catch (error) {
    if (flags.json) writeJsonLine(context.stdout, {type: 'result', ok: false, error: describeError(error)});
    throw error;
  } finally {
    signal.removeEventListener('abort', announceStop);
  }
}
