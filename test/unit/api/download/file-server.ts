import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {onTestFinished} from 'vitest';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A request as it arrived. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly ifNoneMatch: string | undefined;
}

export interface FileServer {
  /** Without a slash at its end. */
  readonly origin: string;
  readonly seen: Seen[];
  /** Content bytes that were given out. */
  readonly sentBytes: () => number;
}

/** A server on this machine whose answers the test decides; it ends with the test. */
export async function serve(handler: Handler): Promise<FileServer> {
  const seen: Seen[] = [];
  let sent = 0;
  const server = createServer((request, response) => {
    const {range, 'if-range': ifRange, 'if-none-match': ifNoneMatch} = request.headers;
    seen.push({
      method: request.method ?? '',
      path: request.url ?? '',
      range,
      ifRange: typeof ifRange === 'string' ? ifRange : undefined,
      ifNoneMatch,
    });
    const write = response.write.bind(response);
    const end = response.end.bind(response);
    response.write = ((chunk: Uint8Array | string, ...rest: never[]) => {
      sent += chunk.length;
      return write(chunk, ...rest);
    }) as typeof response.write;
    response.end = ((chunk?: Uint8Array | string, ...rest: never[]) => {
      if (typeof chunk === 'string' || chunk instanceof Uint8Array) sent += chunk.length;
      return end(chunk, ...rest);
    }) as typeof response.end;
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    sentBytes: () => sent,
  };
}

export interface GoodAnswer {
  readonly content: Buffer;
  readonly etag?: string;
  readonly lastModified?: string;
  /** The connection breaks after so many bytes of an answer. */
  readonly cutAfter?: number;
  readonly type?: string;
}

/** Answers as a good server does: ranges, conditions, lengths. */
export function answer(request: IncomingMessage, response: ServerResponse, good: GoodAnswer): void {
  const {content, etag, lastModified, cutAfter = Infinity, type} = good;
  const headers = {
    ...(etag !== undefined && {etag}),
    ...(lastModified !== undefined && {'last-modified': lastModified}),
    ...(type !== undefined && {'content-type': type}),
  };
  const {range, 'if-range': ifRange, 'if-none-match': ifNoneMatch} = request.headers;
  const isUnchanged =
    ifNoneMatch !== undefined
      ? ifNoneMatch === etag
      : lastModified !== undefined && request.headers['if-modified-since'] === lastModified;
  if (isUnchanged) {
    response.writeHead(304, headers).end();
    return;
  }
  const isSame = ifRange === undefined || ifRange === etag || ifRange === lastModified;
  const start = isSame ? Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0) : 0;
  const isPart = isSame && range !== undefined;
  if (isPart && start >= content.length) {
    response.writeHead(416, {'content-range': `bytes */${content.length}`}).end();
    return;
  }
  const rest = content.subarray(start);
  response.writeHead(isPart ? 206 : 200, {
    ...headers,
    'content-length': rest.length,
    ...(isPart && {'content-range': `bytes ${start}-${content.length - 1}/${content.length}`}),
  });
  if (request.method === 'HEAD') response.end();
  else if (rest.length <= cutAfter) response.end(rest);
  else response.write(rest.subarray(0, cutAfter), () => response.destroy());
}
