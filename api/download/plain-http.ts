import {Agent, request} from 'node:http';
import {connect, type NetConnectOpts, type Socket} from 'node:net';
import {AnswerBody, authorization, type AskOptions, type DispatchedAnswer} from './answer-body.ts';

/** A quarter of the system calls of Node's own 64 KiB, and no new memory for each. */
const readBytes = 256 * 1024;

/**
 * Connections that are read into one buffer each. Node would allocate a new one for every 64 KiB, which costs more than
 * all the rest of a download; `onread` is its way out, but then nobody feeds the parser of HTTP: that is done here.
 */
class SparingAgent extends Agent {
  override createConnection(options: NetConnectOpts): Socket {
    const socket: Socket = connect({
      ...options,
      onread: {
        buffer: Buffer.allocUnsafe(readBytes),
        callback: (length, buffer) => {
          // The parser copies what it keeps.
          socket.emit('data', Buffer.from(buffer.buffer, buffer.byteOffset, length));
          return true;
        },
      },
    });
    return socket;
  }
}

/** Asks servers without TLS and without a proxy, at a fraction of the processor time that undici takes. */
export class PlainHttp {
  readonly #agent = new SparingAgent({keepAlive: true});
  readonly #stallMs: number;

  /** @param stallMs Without a byte for so long a connection counts as lost. */
  constructor(stallMs: number) {
    this.#stallMs = stallMs;
  }

  /** Resolves when the head of the answer is there. */
  ask(url: URL, {method, headers, signal}: AskOptions): Promise<DispatchedAnswer> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const body = new AnswerBody();
      const asking = request(url, {
        agent: this.#agent,
        method,
        headers: {...headers, ...authorization(url)},
        // undici and browsers read as much.
        maxHeaderSize: 64 * 1024,
      });
      let isAnswered = false;
      const stop = () => {
        const reason: unknown = signal.reason;
        asking.destroy(reason instanceof Error ? reason : new Error('stopped'));
      };
      const end = (failure?: Error) => {
        signal.removeEventListener('abort', stop);
        body.end(failure);
        if (failure !== undefined) reject(failure);
      };
      signal.addEventListener('abort', stop, {once: true});
      asking.setTimeout(this.#stallMs, () => {
        asking.destroy(
          new Error(isAnswered ? 'the server has stopped sending' : 'the server does not answer'),
        );
      });
      asking.on('error', end);
      asking.on('response', (response) => {
        isAnswered = true;
        const flow = {
          get paused() {
            return response.isPaused();
          },
          pause: () => void response.pause(),
          resume: () => void response.resume(),
        };
        response.on('data', (piece: Buffer) => body.push(flow, piece));
        response.on('end', () => end());
        response.on('error', end);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body,
          discard: () => {
            if (!response.complete) response.destroy();
          },
        });
      });
      asking.end();
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
