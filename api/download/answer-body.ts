import type {Dispatcher} from 'undici';

/** As much waits unread before a connection is asked to pause. */
const mostWaitingBytes = 1024 * 1024;

type Controller = Dispatcher.DispatchController;
export type ReceivedHeaders = Readonly<Record<string, string | string[] | undefined>>;

/**
 * The body of an answer, piece by piece. Unlike undici's own it gives out all that came before a connection broke, and
 * fails only then: each byte that has come need not come again.
 */
export class AnswerBody implements AsyncIterable<Uint8Array> {
  readonly #pieces: Uint8Array[] = [];
  #waitingBytes = 0;
  #controller: Controller | undefined;
  #isComplete = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  push(controller: Controller, piece: Uint8Array): void {
    this.#controller = controller;
    this.#pieces.push(piece);
    this.#waitingBytes += piece.length;
    if (this.#waitingBytes >= mostWaitingBytes) controller.pause();
    this.#wake?.();
  }

  end(failure?: Error): void {
    this.#isComplete = true;
    this.#failure = failure;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        this.#waitingBytes -= piece.length;
        if (this.#controller?.paused === true && this.#waitingBytes < mostWaitingBytes / 2)
          this.#controller.resume();
        yield piece;
      } else if (this.#isComplete) {
        if (this.#failure !== undefined) throw this.#failure;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

export interface DispatchedAnswer {
  readonly status: number;
  readonly headers: ReceivedHeaders;
  readonly body: AnswerBody;
  /** Gives up what is left, and the connection with it. Harmless when there is nothing left. */
  discard(): void;
}

/** Sends a request; resolves when the head of the answer is there. */
export function dispatch(
  dispatcher: Dispatcher,
  url: URL,
  options: {
    readonly method: 'GET' | 'HEAD';
    readonly headers: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
  },
): Promise<DispatchedAnswer> {
  const {method, headers, signal} = options;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const body = new AnswerBody();
    let controller: Controller | undefined;
    const stop = () => {
      const reason: unknown = signal.reason;
      controller?.abort(reason instanceof Error ? reason : new Error('stopped'));
    };
    signal.addEventListener('abort', stop, {once: true});
    const end = (failure?: Error) => {
      signal.removeEventListener('abort', stop);
      body.end(failure);
      if (failure !== undefined) reject(failure);
    };
    dispatcher.dispatch(
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method,
        headers: {...headers, ...authorization(url)},
      },
      {
        onRequestStart(given) {
          controller = given;
          if (signal.aborted) stop();
        },
        onResponseStart(given, status, received) {
          if (status < 200) return;
          resolve({
            status,
            headers: received,
            body,
            discard: () => given.abort(new Error('given up')),
          });
        },
        onResponseData: (given, piece) => body.push(given, piece),
        onResponseEnd: () => end(),
        onResponseError: (_given, error) => end(error),
      },
    );
  });
}

/** undici sends a user and password of an address in no other way. */
function authorization({username, password}: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return {authorization: `Basic ${Buffer.from(text).toString('base64')}`};
}
