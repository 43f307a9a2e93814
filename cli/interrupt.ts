import {ExitCode} from './exit-code.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The part of `process` that this file needs; tests pass their own. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
  exit(code: number): void;
}

/**
 * Turns the first Ctrl-C (or SIGTERM, or a closed terminal) into an abort signal, so that the work can stop its
 * containers, and the second one into an immediate end.
 */
export class Interrupt implements Disposable {
  readonly #process: SignalSource;
  readonly #controller = new AbortController();
  readonly #onSignal = (): void => {
    // `exit` runs the exit hooks, which give the terminal its cursor back.
    if (this.#controller.signal.aborted) this.#process.exit(ExitCode.Interrupted);
    else this.#controller.abort();
  };
  #listening = false;
  #quiet = false;

  constructor(source: SignalSource = process) {
    this.#process = source;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** From now on signals are caught; before, and for commands that never call it, they end the process. */
  listen(): AbortSignal {
    if (!this.#listening) for (const name of signals) this.#process.on(name, this.#onSignal);
    this.#listening = true;
    return this.signal;
  }

  /** Stops the work as the first Ctrl-C does. */
  stop(): void {
    this.#controller.abort();
  }

  /** Stops the work because nobody reads the output any more; nothing is said about it. */
  stopQuietly(): void {
    this.#quiet = true;
    this.stop();
  }

  get isQuiet(): boolean {
    return this.#quiet;
  }

  [Symbol.dispose](): void {
    for (const name of signals) this.#process.off(name, this.#onSignal);
    this.#listening = false;
  }
}
