import {createHash} from 'node:crypto';
import {createServer, type Server} from 'node:http';
import {once} from 'node:events';
import type {AddressInfo} from 'node:net';
import {buffer} from 'node:stream/consumers';
import {extract} from 'tar-stream';
import {engine} from './engine.ts';

const manifestType = 'application/vnd.docker.distribution.manifest.v2+json';

/** A registry (Docker Registry HTTP API V2) on this machine with one image, which can only be read. */
export class Registry implements AsyncDisposable {
  readonly #server: Server;
  readonly #blobs: ReadonlyMap<string, Buffer>;
  readonly #manifest: Buffer;
  readonly #repository: string;
  /** `GET /v2/…` of everything that has been asked for. */
  readonly requests: string[] = [];
  /** Whether it answers with its image whatever digest is asked for. */
  lies = false;

  private constructor(repository: string, manifest: Buffer, blobs: ReadonlyMap<string, Buffer>) {
    this.#repository = repository;
    this.#manifest = manifest;
    this.#blobs = blobs;
    this.#server = createServer((request, response) => {
      const {method = '', url = ''} = request;
      this.requests.push(`${method} ${url}`);
      const found = this.#find(url);
      if (found === undefined) {
        response
          .writeHead(404, {'Content-Type': 'application/json'})
          .end('{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}');
        return;
      }
      response.writeHead(200, {
        'Docker-Distribution-Api-Version': 'registry/2.0',
        'Content-Type': found.type,
        'Content-Length': found.content.length,
      });
      response.end(method === 'HEAD' ? undefined : found.content);
    });
  }

  /** Serves a local image as `repository`. */
  static async serving(image: string, repository: string): Promise<Registry> {
    const files = await saveImage(image);
    const [saved] = JSON.parse(files.get('manifest.json')?.toString() ?? '[]') as {
      Config: string;
      Layers: string[];
    }[];
    if (saved === undefined) throw new Error(`${image} was saved without a manifest`);
    const read = (name: string) => {
      const content = files.get(name);
      if (content === undefined) throw new Error(`${image} was saved without ${name}`);
      return content;
    };
    const config = read(saved.Config);
    const layers = saved.Layers.map(read);
    const describe = (mediaType: string, content: Buffer) => ({
      mediaType,
      size: content.length,
      digest: digestOf(content),
    });
    const manifest = {
      schemaVersion: 2,
      mediaType: manifestType,
      config: describe('application/vnd.docker.container.image.v1+json', config),
      layers: layers.map((layer) => describe('application/vnd.docker.image.rootfs.diff.tar', layer)),
    };
    const blobs = new Map([config, ...layers].map((content) => [digestOf(content), content]));
    const registry = new Registry(repository, Buffer.from(JSON.stringify(manifest)), blobs);
    registry.#server.listen(0, '127.0.0.1');
    await once(registry.#server, 'listening');
    return registry;
  }

  /** The image, pinned by its digest. */
  get reference(): string {
    const {port} = this.#server.address() as AddressInfo;
    return `127.0.0.1:${port}/${this.#repository}@${digestOf(this.#manifest)}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #find(url: string): {type: string; content: Buffer} | undefined {
    if (url === '/v2/') return {type: 'application/json', content: Buffer.from('{}')};
    const base = `/v2/${this.#repository}`;
    const asked = url.replace(`${base}/manifests/`, '');
    if (asked === digestOf(this.#manifest) || (this.lies && asked !== url))
      return {type: manifestType, content: this.#manifest};
    const blob = this.#blobs.get(url.replace(`${base}/blobs/`, ''));
    return blob && {type: 'application/octet-stream', content: blob};
  }
}

/** What `docker save` writes, by name. */
async function saveImage(image: string): Promise<ReadonlyMap<string, Buffer>> {
  const docker = await engine();
  const files = new Map<string, Buffer>();
  const archive = extract();
  (await docker.getImage(image).get()).pipe(archive);
  for await (const entry of archive) files.set(entry.header.name, await buffer(entry));
  return files;
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
