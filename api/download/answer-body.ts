import type {Dispatcher} from 'undici';

/** As much waits unread before a connection is asked to pause. */
const mostWaitingBytes = 1024 * 1024;

/** What a body can do to the connection that it comes from. */
interface Flow {
  readonly paused: boolean;
  pause(): void;
  resume(): void;
}

export type ReceivedHeaders = Readonly<Record<string, string | string[] | undefined>>;

/**
 * The body of an answer, piece by piece. Unlike undici's own it gives out all that came before a connection broke, and
 * fails only then: each byte that has come need not come again.
 */
export class AnswerBody implements AsyncIterable<Uint8Array> {
  readonly #pieces: Uint8Array[] = [];
  #waitingBytes = 0;
  #flow: Flow | undefined;
  #isComplete = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  push(flow: Flow, piece: Uint8Array): void {
    this.#flow = flow;
    this.#pieces.push(piece);
    this.#waitingBytes += piece.length;
    if (this.#waitingBytes >= mostWaitingBytes) flow.pause();
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
        if (this.#flow?.paused === true && this.#waitingBytes < mostWaitingBytes / 2) this.#flow.resume();
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

export interface AskOptions {
  readonly method: 'GET' | 'HEAD';
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Sends a request; resolves when the head of the answer is there. */
export function dispatch(
  dispatcher: Dispatcher,
  url: URL,
  {method, headers, signal}: AskOptions,
): Promise<DispatchedAnswer> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const body = new AnswerBody();
    let controller: Dispatcher.DispatchController | undefined;
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

/** What a user and password in an address come to. */
export function authorization({username, password}: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return {authorization: `Basic ${Buffer.from(text).toString('base64')}`};
}
