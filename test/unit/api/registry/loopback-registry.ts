import {createHash} from 'node:crypto';
import {once} from 'node:events';
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {gzipSync} from 'node:zlib';
import {endOfTar, formatTarHeader, zerosAfter} from '../../../../api/archive/tar-format.ts';

export const digestOf = (content: Buffer) => `sha256:${createHash('sha256').update(content).digest('hex')}`;

/** An image as a registry keeps it. */
export interface TestImage {
  readonly manifest: Buffer;
  readonly blobs: ReadonlyMap<string, Buffer>;
  readonly diffIds: readonly string[];
}

/** A tar with one file. */
export function tarOf(name: string, content: string | Buffer, mode = 0o644): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([
    formatTarHeader({path: name, type: 'file', sizeBytes: bytes.length, mode}),
    bytes,
    zerosAfter(bytes.length),
    endOfTar,
  ]);
}

/** An image of layers with one file each. */
export function makeImage(
  files: readonly string[],
  {architecture = 'arm64', pack = gzipSync}: {architecture?: string; pack?: (tar: Buffer) => Buffer} = {},
): TestImage {
  const layers = files.map((name) => tarOf(name, `content of ${name}\n`));
  return imageOf(layers, {architecture, pack});
}

/** An image of these layers; `config` says how it runs. */
export function imageOf(
  layers: readonly Buffer[],
  {
    architecture = 'arm64',
    pack = gzipSync,
    config: run = {},
  }: {architecture?: string; pack?: (tar: Buffer) => Buffer; config?: object} = {},
): TestImage {
  const stored = layers.map(pack);
  const diffIds = layers.map(digestOf);
  const config = Buffer.from(
    JSON.stringify({architecture, os: 'linux', config: run, rootfs: {type: 'layers', diff_ids: diffIds}}),
  );
  const describe = (mediaType: string, content: Buffer) => ({
    mediaType,
    digest: digestOf(content),
    size: content.length,
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: describe('application/vnd.oci.image.config.v1+json', config),
      layers: stored.map((layer) => describe('application/vnd.oci.image.layer.v1.tar+gzip', layer)),
    }),
  );
  return {manifest, blobs: new Map([config, ...stored].map((blob) => [digestOf(blob), blob])), diffIds};
}

/** An index of images by architecture. */
export function makeIndex(images: Readonly<Record<string, TestImage>>): Buffer {
  const manifests = Object.entries(images).map(([architecture, {manifest}]) => ({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: digestOf(manifest),
    size: manifest.length,
    platform: {os: 'linux', architecture},
  }));
  return Buffer.from(
    JSON.stringify({schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests}),
  );
}

type Handler = (request: IncomingMessage, response: ServerResponse, url: URL) => boolean;

/** A registry on this machine whose repositories a test fills, and which a test can let misbehave. */
export class LoopbackRegistry implements AsyncDisposable {
  readonly #server: Server;
  readonly manifests = new Map<string, Buffer>();
  readonly blobs = new Map<string, Buffer>();
  readonly requests: string[] = [];
  /** Asked first; true when it has answered. */
  intercept: Handler = () => false;

  private constructor() {
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://registry');
      this.requests.push(`${request.headers.authorization ? 'authorized ' : ''}${url.pathname}`);
      if (!this.intercept(request, response, url)) this.#answer(url, response);
    });
  }

  static async start(): Promise<LoopbackRegistry> {
    const registry = new LoopbackRegistry();
    registry.#server.listen(0, '127.0.0.1');
    await once(registry.#server, 'listening');
    return registry;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  add(repository: string, tag: string, image: TestImage): void {
    this.manifests.set(`${repository}:${tag}`, image.manifest);
    this.manifests.set(`${repository}:${digestOf(image.manifest)}`, image.manifest);
    for (const [digest, blob] of image.blobs) this.blobs.set(digest, blob);
  }

  addIndex(repository: string, tag: string, index: Buffer, images: readonly TestImage[]): void {
    for (const image of images) this.add(repository, 'unused', image);
    this.manifests.set(`${repository}:${tag}`, index);
    this.manifests.set(`${repository}:${digestOf(index)}`, index);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #answer(url: URL, response: ServerResponse): void {
    const [, repository = '', kind, name = ''] =
      /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(url.pathname) ?? [];
    const content = kind === 'blobs' ? this.blobs.get(name) : this.manifests.get(`${repository}:${name}`);
    if (content === undefined) {
      response.writeHead(404).end();
      return;
    }
    response
      .writeHead(200, {
        'content-length': content.length,
        ...(kind === 'manifests' && {'docker-content-digest': digestOf(content)}),
      })
      .end(content);
  }
}
