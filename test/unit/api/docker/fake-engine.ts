import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import {createServer as createTlsServer, type ServerOptions} from 'node:https';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';
import {onTestFinished} from 'vitest';
import {makeTempFolder} from '../temp-folder.ts';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** What a recent engine on Linux answers, as far as it is used. */
export const recentEngine = {
  info: {
    OSType: 'linux',
    Name: 'reef',
    Architecture: 'x86_64',
    NCPU: 4,
    MemTotal: 8_000_000_000,
    SecurityOptions: ['name=seccomp,profile=builtin'],
  },
  version: {Version: '27.1.0', ApiVersion: '1.46'},
};

export const json =
  (value: unknown): Answer =>
  (_request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(value));
  };

/** The routes of an engine by method and path without version; `*` is everything else, by default 404. */
export function engineListener(given: Readonly<Record<string, Answer>> = {}): RequestListener {
  const answers: Readonly<Record<string, Answer>> = {
    'GET /info': json(recentEngine.info),
    'GET /version': json(recentEngine.version),
    ...given,
  };
  return (request, response) => {
    const path = (request.url ?? '').replace(/^\/v[\d.]+/, '').replace(/\?.*/, '');
    const answer = answers[`${request.method ?? ''} ${path}`] ?? answers['*'];
    if (answer !== undefined) {
      answer(request, response);
      return;
    }
    response.statusCode = 404;
    json({message: 'page not found'})(request, response);
  };
}

/** Listens on a socket in a temporary folder until the test ends. @returns its address as in `DOCKER_HOST`. */
export async function listenOnSocket(
  given: Readonly<Record<string, Answer>> = {},
  name = 'docker.sock',
): Promise<string> {
  const path = join(await makeTempFolder(), name);
  const server = createServer(engineListener(given));
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  closeAfterTest(server);
  return `unix://${path}`;
}

/** Listens on a port of this machine until the test ends. @returns host and port. */
export async function listenOnPort(host: string, tls?: ServerOptions): Promise<string> {
  const server = tls ? createTlsServer(tls, engineListener()) : createServer(engineListener());
  await new Promise<void>((resolve) => void server.listen(0, host, resolve));
  closeAfterTest(server);
  const {port} = server.address() as AddressInfo;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function closeAfterTest(server: Pick<Server, 'close' | 'closeAllConnections'>): void {
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => void server.close(resolve));
  });
}
