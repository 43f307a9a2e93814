import type {CliContext} from './context.ts';
import {describeError} from './describe-error.ts';
import {isLive} from './reporters/create-reporter.ts';
import {writeJsonLine} from './reporters/json-reporter.ts';
import type {ScreenOptions} from './reporters/progress-screen.ts';
import {stoppingMessage} from './reporters/reporter.ts';

/** What work is given that shows how far it is. */
export interface WorkIo<Event> {
  readonly onEvent: (event: Event) => void;
  readonly signal: AbortSignal;
  /** Gives the terminal back to whoever prints something else. */
  readonly pause: () => void;
}

/** Draws events of one kind of work. */
export interface WorkReporter<Event> extends Disposable {
  on(event: Event): void;
  stopping(): void;
  pause(): void;
}

export interface ReportOptions<Event, T> {
  /** Loaded only when there is work. */
  readonly loadReporter: () => Promise<new (options: ScreenOptions) => WorkReporter<Event>>;
  readonly json?: boolean | undefined;
  /** Whether a result is a good one; all are when absent. */
  readonly isOk?: ((result: T) => boolean) | undefined;
}

/** As `reportRun`, for work that is no pipeline: its progress on stderr, or with `--json` all of it as lines on stdout. */
export async function reportWork<Event extends object, T extends object>(
  context: CliContext,
  {loadReporter, json = false, isOk = () => true}: ReportOptions<Event, T>,
  work: (io: WorkIo<Event>) => Promise<T>,
): Promise<T> {
  const signal = context.interrupt.listen();
  const {stderr: output, symbols, stdout} = context;
  const Reporter = await loadReporter();
  const colors = await context.colors('stderr');
  using reporter = new Reporter({output, symbols, colors, isLive: isLive(context)});
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
      pause: () => reporter.pause(),
    });
    if (json) writeJsonLine(stdout, {type: 'result', ok: isOk(result), ...result});
    return result;
  } catch (error) {
    if (json) writeJsonLine(stdout, {type: 'result', ok: false, error: describeError(error)});
    throw error;
  } finally {
    signal.removeEventListener('abort', announceStop);
  }
}
