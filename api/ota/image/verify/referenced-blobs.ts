import {OtaError} from '../../ota-error.ts';
import {planContent} from '../content/content-plan.ts';
import type {Descriptor} from '../model/descriptor.ts';
import {hexOf, type Sha256Hex} from '../model/digest.ts';
import {readDocument} from '../model/json-document.ts';
import {OtaclientManifest} from '../model/otaclient-package.ts';
import {FileTable} from '../read/file-table.ts';
import type {ImageReader, Payload} from '../read/image-reader.ts';
import {readBlob} from '../read/read-file.ts';
import {ResourceTable} from '../read/resource-table.ts';

/** What the documents and tables of an image ask for. */
export interface References {
  /** The size that each blob must have. */
  readonly blobs: ReadonlyMap<Sha256Hex, number>;
  /** Documents and tables that cannot be followed, and contradictions between them. */
  readonly problems: readonly OtaError[];
}

/** Follows an image from its index down to every blob. What is broken is noted, and the rest is followed all the same. */
export async function referencedBlobs(image: ImageReader): Promise<References> {
  const walk = new Walk(image);
  await walk.start();
  return walk;
}

class Walk implements References {
  readonly blobs = new Map<Sha256Hex, number>();
  readonly problems: OtaError[] = [];
  readonly #image: ImageReader;
  readonly #fileTables = new Set<string>();

  constructor(image: ImageReader) {
    this.#image = image;
  }

  async start(): Promise<void> {
    for (const descriptor of this.#image.index.manifests) this.#note(descriptor);
    const resources = await this.#try(() => this.#resources());
    for (const payload of this.#image.payloads) await this.#try(() => this.#payload(payload, resources));
    for (const descriptor of this.#image.otaclientPackages) {
      await this.#try(async () => {
        const bytes = await readBlob(this.#image.source, descriptor);
        const {config, layers} = readDocument(
          OtaclientManifest,
          bytes,
          'The manifest of the otaclient package',
        );
        for (const part of [config, ...layers]) this.#note(part);
      });
    }
  }

  async #resources(): Promise<ResourceTable | undefined> {
    const descriptor = this.#image.resourceTable;
    if (!descriptor) return undefined;
    const table = await ResourceTable.open(this.#image.source, descriptor);
    for (const row of table.rows) {
      if (!row.filter) this.#note({digest: `sha256:${row.digest}` as Descriptor['digest'], size: row.size});
      else await this.#try(() => Promise.resolve(planContent(table, row)));
    }
    return table;
  }

  async #payload(payload: Payload, resources: ResourceTable | undefined): Promise<void> {
    const manifest = await this.#image.manifest(payload);
    const [layer] = manifest.layers;
    for (const part of [manifest.config, layer]) this.#note(part);
    await this.#try(async () => {
      const config = await this.#image.config(manifest);
      this.#note(config.file_table);
      if (config.sys_config) this.#note(config.sys_config);
    });
    // Several ECUs may share one file table.
    if (this.#fileTables.has(layer.digest)) return;
    this.#fileTables.add(layer.digest);
    await using files = await FileTable.open(this.#image.source, layer);
    for (const {digest, size, contents} of files.resources()) {
      if (contents || resources?.find(digest)?.size === size) continue;
      const problem = `The resource ${digest} of the payload for "${payload.ecuId}" is not in the resource table`;
      this.problems.push(new OtaError('BLOB_MISSING', problem));
    }
  }

  #note({digest, size}: Pick<Descriptor, 'digest' | 'size'>): void {
    this.blobs.set(hexOf(digest), size);
  }

  async #try<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof OtaError)) throw error;
      this.problems.push(error);
      return undefined;
    }
  }
}
