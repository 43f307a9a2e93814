import {createHash, randomUUID} from 'node:crypto';
import {once} from 'node:events';
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';

const digestOf = (content: Buffer) => `sha256:${createHash('sha256').update(content).digest('hex')}`;

/** A request as a test sees it. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: Buffer;
  readonly request: IncomingMessage;
}

/**
 * A registry on this machine that keeps everything in memory, takes uploads as distribution 2.8 does, and that a test
 * can let misbehave.
 */
export class WritableRegistry implements AsyncDisposable {
  readonly #server: Server;
  readonly #uploads = new Map<string, Buffer>();
  /** By `repository:tag` and `repository:digest`. */
  readonly manifests = new Map<string, Buffer>();
  readonly blobs = new Map<string, Buffer>();
  /** `METHOD path` of every request. */
  readonly requests: string[] = [];
  /** Asked first; true when it has answered. */
  intercept: (asked: Asked, response: ServerResponse) => boolean = () => false;

  private constructor() {
    this.#server = createServer((request, response) => void this.#receive(request, response));
  }

  static async start(): Promise<WritableRegistry> {
    const registry = new WritableRegistry();
    registry.#server.listen(0, '127.0.0.1');
    await once(registry.#server, 'listening');
    return registry;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How many requests there were of a kind. */
  count(pattern: RegExp): number {
    return this.requests.filter((line) => pattern.test(line)).length;
  }

  /** What of an upload has arrived. */
  keep(path: string, content: Buffer): void {
    const id = path.replace(/^.*\//, '');
    this.#uploads.set(id, Buffer.concat([this.#uploads.get(id) ?? Buffer.alloc(0), content]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    try {
      for await (const piece of request) pieces.push(piece as Buffer);
    } catch {
      return;
    }
    const url = new URL(request.url ?? '/', 'http://registry');
    const asked = {method: request.method ?? '', path: url.pathname, body: Buffer.concat(pieces), request};
    this.requests.push(`${asked.method} ${url.pathname}`);
    if (!this.intercept(asked, response)) this.#answer(asked, url, response);
  }

  #answer({method, path, body}: Asked, url: URL, response: ServerResponse): void {
    const [, repository = '', rest = ''] = /^\/v2\/(.+?)\/((?:manifests|blobs|tags)\/.*)$/.exec(path) ?? [];
    const [kind, name = '', id = ''] = rest.split('/');
    if (kind === 'tags') this.#sendTags(repository, response);
    else if (kind === 'manifests') this.#manifest(method, repository, name, body, response);
    else if (name === 'uploads') this.#upload(method, repository, id, body, url, response);
    else send(response, this.blobs.get(name), method);
  }

  #sendTags(repository: string, response: ServerResponse): void {
    const tags = [...this.manifests.keys()]
      .filter((key) => key.startsWith(`${repository}:`) && !key.includes(':sha256:'))
      .map((key) => key.slice(repository.length + 1));
    send(response, Buffer.from(JSON.stringify({name: repository, tags})), 'GET');
  }

  #manifest(method: string, repository: string, name: string, body: Buffer, response: ServerResponse): void {
    const content = this.manifests.get(`${repository}:${name}`);
    if (method === 'PUT') {
      this.manifests.set(`${repository}:${name}`, body);
      this.manifests.set(`${repository}:${digestOf(body)}`, body);
      response.writeHead(201).end();
    } else if (method === 'DELETE') {
      for (const [key, value] of this.manifests) {
        if (key.startsWith(`${repository}:`) && digestOf(value) === name) this.manifests.delete(key);
      }
      response.writeHead(content === undefined ? 404 : 202).end();
    } else {
      send(response, content, method);
    }
  }

  #upload(
    method: string,
    repository: string,
    id: string,
    body: Buffer,
    url: URL,
    response: ServerResponse,
  ): void {
    const upload = method === 'POST' ? randomUUID() : id;
    const headers = {location: `/v2/${repository}/blobs/uploads/${upload}?state=x`};
    const before = method === 'POST' ? Buffer.alloc(0) : this.#uploads.get(upload);
    if (before === undefined) {
      response.writeHead(404).end();
      return;
    }
    const content = Buffer.concat([before, body]);
    this.#uploads.set(upload, content);
    if (method === 'PUT') {
      const digest = url.searchParams.get('digest') ?? '';
      const isRight = digestOf(content) === digest;
      if (isRight) this.blobs.set(digest, content);
      this.#uploads.delete(upload);
      response.writeHead(isRight ? 201 : 400).end();
      return;
    }
    const range = `0-${Math.max(0, content.length - 1)}`;
    response.writeHead(method === 'GET' ? 204 : 202, {...headers, range}).end();
  }
}

function send(response: ServerResponse, content: Buffer | undefined, method: string): void {
  if (content === undefined) {
    response.writeHead(404).end();
    return;
  }
  const digest = {'docker-content-digest': digestOf(content)};
  response
    .writeHead(200, {'content-length': content.length, ...digest})
    .end(method === 'HEAD' ? undefined : content);
}
