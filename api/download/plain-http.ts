import {Agent, request} from 'node:http';
import {connect, type NetConnectOpts, type Socket} from 'node:net';
import {AnswerBody, authorization, stopped, type AskOptions, type DispatchedAnswer} from './answer-body.ts';

/** Four times what Node reads at once. */
const readBytes = 256 * 1024;
/** Of a body of this size the parser of HTTP sees only the beginning. */
const directFromBytes = 8 * 1024 * 1024;

/** Takes what was read; false to be left alone until the socket is resumed. */
type Receiver = (bytes: Uint8Array) => boolean;

/** By socket: where the rest of a long body goes. */
const receivers = new WeakMap<Socket, Receiver>();

/**
 * Connections that are read into two buffers each, by turns. Node would allocate a new one for every 64 KiB, which costs
 * more than all the rest of a download; `onread` is its way out, but then nobody feeds the parser: that is done here. It
 * copies what it keeps, so long bodies go past it.
 */
class SparingAgent extends Agent {
  override createConnection(options: NetConnectOpts): Socket {
    const buffers = [Buffer.allocUnsafe(readBytes), Buffer.allocUnsafe(readBytes)];
    let turn = 0;
    const socket: Socket = connect({
      ...options,
      onread: {
        buffer: () => {
          turn = 1 - turn;
          return buffers[turn] ?? Buffer.allocUnsafe(readBytes);
        },
        callback: (length, buffer) => {
          const bytes = Buffer.from(buffer.buffer, buffer.byteOffset, length);
          const receive = receivers.get(socket);
          if (receive !== undefined) return receive(bytes);
          socket.emit('data', bytes);
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

  /** Resolves when the head of the answer is there. */
  ask(url: URL, {method, headers, signal, stallMs}: AskOptions): Promise<DispatchedAnswer> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const body = new AnswerBody(stallMs, () => asking.destroy(new Error(stopped)));
      const asking = request(url, {
        agent: this.#agent,
        method,
        headers: {...headers, ...authorization(url)},
        // undici and browsers read as much.
        maxHeaderSize: 64 * 1024,
      });
      const timer = setTimeout(() => asking.destroy(new Error('the server does not answer')), stallMs);
      const stop = () => {
        const reason: unknown = signal.reason;
        asking.destroy(reason instanceof Error ? reason : new Error('stopped'));
      };
      const end = (failure?: Error) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
        body.end(failure);
        if (failure !== undefined) reject(failure);
      };
      signal.addEventListener('abort', stop, {once: true});
      asking.on('error', end);
      asking.on('response', (response) => {
        clearTimeout(timer);
        const flow = {
          get paused() {
            return response.isPaused();
          },
          pause: () => void response.pause(),
          resume: () => void response.resume(),
        };
        let left = Number(response.headers['content-length']);
        response.on('data', (piece: Buffer) => {
          left -= piece.length;
          body.push(flow, piece);
        });
        response.on('end', () => end());
        if (left >= directFromBytes && response.headers['transfer-encoding'] === undefined) {
          const {socket} = response;
          let lent = 0;
          receivers.set(socket, (bytes) => {
            const piece = bytes.subarray(0, left);
            left -= piece.length;
            lent++;
            body.lend(piece, () => {
              lent--;
              if (!socket.destroyed) socket.resume();
            });
            if (left === 0) {
              end();
              // The parser waits for the rest for ever: this connection is of no more use.
              asking.destroy();
            }
            return lent < 2;
          });
        }
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
