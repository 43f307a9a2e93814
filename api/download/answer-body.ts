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
  readonly #pieces: (readonly [piece: Uint8Array, giveBack?: () => void])[] = [];
  #waitingBytes = 0;
  #flow: Flow | undefined;
  #isComplete = false;
  readonly #stallMs: number;
  readonly #onStall: () => void;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  /**
   * @param stallMs So long the next piece may take. Only while somebody waits for it: a disk that is slow is not the fault
   * of the server.
   * @param onStall Called then; it should end the body.
   */
  constructor(stallMs: number, onStall: () => void) {
    this.#stallMs = stallMs;
    this.#onStall = onStall;
  }

  push(flow: Flow, piece: Uint8Array): void {
    this.#flow = flow;
    this.#pieces.push([piece]);
    this.#waitingBytes += piece.length;
    if (this.#waitingBytes >= mostWaitingBytes) flow.pause();
    this.#wake?.();
  }

  /** @param giveBack Called when nobody looks at the piece any more: its memory may be used again. */
  lend(piece: Uint8Array, giveBack: () => void): void {
    this.#pieces.push([piece, giveBack]);
    this.#waitingBytes += piece.length;
    this.#wake?.();
  }

  /** Once; what is said later does not count. */
  end(failure?: Error): void {
    if (this.#isComplete) return;
    this.#isComplete = true;
    this.#failure = failure;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      const next = this.#pieces.shift();
      if (next !== undefined) {
        const [piece, giveBack] = next;
        this.#waitingBytes -= piece.length;
        if (this.#flow?.paused === true && this.#waitingBytes < mostWaitingBytes / 2) this.#flow.resume();
        yield piece;
        giveBack?.();
      } else if (this.#isComplete) {
        if (this.#failure !== undefined) throw this.#failure;
        return;
      } else {
        const timer = setTimeout(this.#onStall, this.#stallMs);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        clearTimeout(timer);
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
  /** Milliseconds without a byte until a connection counts as lost. */
  readonly stallMs: number;
}

/** Said of a server from which nothing comes any more. */
export const stopped = 'the server has stopped sending';

/** Sends a request; resolves when the head of the answer is there. */
export function dispatch(
  dispatcher: Dispatcher,
  url: URL,
  {method, headers, signal, stallMs}: AskOptions,
): Promise<DispatchedAnswer> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    let controller: Dispatcher.DispatchController | undefined;
    const body = new AnswerBody(stallMs, () => controller?.abort(new Error(stopped)));
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
