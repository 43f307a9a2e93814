import type {FlashListener} from '../api/flash/flash-event.ts';
import type {CliContext} from './context.ts';
import {describeError} from './describe-error.ts';
import {isLive} from './reporters/create-reporter.ts';
import {writeJsonLine} from './reporters/json-reporter.ts';
import {stoppingMessage} from './reporters/reporter.ts';

/** What `flash` and `personalise` are given to work with. */
export interface FlashIo {
  readonly onEvent: FlashListener;
  readonly signal: AbortSignal;
  /** Gives the terminal back for a question. */
  readonly pauseDrawing: () => void;
}

// Not in a function that has a `using`: there tsc 6 leaves the ending of a dynamic import as it is.
const loadReporter = () => import('./reporters/flash-reporter.ts');

/** As `reportRun`, for work that is no pipeline: one phase after the other, with bytes. */
export async function reportFlash<T extends object>(
  context: CliContext,
  flags: {readonly json?: boolean | undefined},
  work: (io: FlashIo) => Promise<T>,
  isOk: (result: T) => boolean = () => true,
): Promise<T> {
  const signal = context.interrupt.listen();
  const {stderr: output, symbols, stdout} = context;
  const {FlashReporter} = await loadReporter();
  const colors = await context.colors('stderr');
  using reporter = new FlashReporter({output, symbols, colors, isLive: isLive(context)});
  const onEvent: FlashListener = (event) => {
    if (flags.json) writeJsonLine(stdout, event);
    else reporter.on(event);
  };
  const announceStop = (): void => {
    if (flags.json) writeJsonLine(stdout, {type: 'notice', level: 'warning', message: stoppingMessage});
    else reporter.stopping();
  };
  signal.addEventListener('abort', announceStop, {once: true});
  const pauseDrawing = () => {
    reporter.pause();
  };
  try {
    const result = await work({onEvent, signal, pauseDrawing});
    if (flags.json) writeJsonLine(stdout, {type: 'result', ok: isOk(result), ...result});
    return result;
  } catch (error) {
    if (flags.json) writeJsonLine(stdout, {type: 'result', ok: false, error: describeError(error)});
    throw error;
  } finally {
    signal.removeEventListener('abort', announceStop);
  }
}
