import {OtaError} from '../../ota-error.ts';
import {keys} from '../model/annotation-keys.ts';
import type {Descriptor} from '../model/descriptor.ts';
import {ImageConfig} from '../model/image-config.ts';
import {
  entryKind,
  ImageIndex,
  PayloadAnnotations,
  type IndexEntryKind,
  type ReleaseKey,
} from '../model/image-index.ts';
import {ImageManifest} from '../model/image-manifest.ts';
import {readDocument} from '../model/json-document.ts';
import {layout} from '../model/layout.ts';
import {artifactTypes} from '../model/media-types.ts';
import {missing} from './blob-errors.ts';
import type {ImageSource} from './image-source.ts';
import {openSource} from './open-source.ts';
import {readBlob, readFile} from './read-file.ts';

/** An entry of the index that is an image for one ECU. */
export interface Payload {
  readonly ecuId: string;
  readonly releaseKey: ReleaseKey;
  readonly descriptor: Descriptor;
}

/** The documents of an image; each one is checked against size and digest before it is parsed. */
export class ImageReader implements AsyncDisposable {
  readonly source: ImageSource;
  /** index.json as it is stored. */
  readonly indexBytes: Buffer;
  readonly index: ImageIndex;

  private constructor(source: ImageSource, indexBytes: Buffer) {
    this.source = source;
    this.indexBytes = indexBytes;
    this.index = readDocument(ImageIndex, indexBytes, layout.index);
  }

  /**
   * Opens the image at a folder, a ZIP artifact or an http(s) address.
   * @example
   * await using image = await ImageReader.open('main-dev.zip');
   * for (const {ecuId, releaseKey} of image.payloads) …
   * @throws {OtaError} NOT_AN_IMAGE, METADATA_INVALID, and what the source throws
   */
  static async open(location: string): Promise<ImageReader> {
    const source = await openSource(location);
    try {
      const bytes = await readFile(source, layout.index);
      if (!bytes) throw missing(layout.index, location);
      return new ImageReader(source, bytes);
    } catch (error) {
      await source[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The payloads that are root file systems, in the order of the index. */
  get payloads(): readonly Payload[] {
    return this.#entries('payload').map((descriptor, index) => {
      const result = PayloadAnnotations.safeParse(descriptor.annotations ?? {});
      if (!result.success) {
        const what = result.error.issues.map(({path, message}) => `${path.join('.')}: ${message}`).join('; ');
        throw new OtaError(
          'METADATA_INVALID',
          `index.json: the annotations of payload ${index} are not valid: ${what}`,
        );
      }
      return {ecuId: result.data[keys.ecu], releaseKey: result.data[keys.releaseKey], descriptor};
    });
  }

  /** Entries of kinds that came after this version; they are skipped, and nobody is stopped by them. */
  get unknownEntries(): readonly Descriptor[] {
    return this.#entries('unknown');
  }

  /** The otaclient packages of the image; the reference allows one. */
  get otaclientPackages(): readonly Descriptor[] {
    return this.#entries('otaclient-package');
  }

  /** Undefined before a payload was added. */
  get resourceTable(): Descriptor | undefined {
    return this.#entries('resource-table').at(-1);
  }

  get isFinalized(): boolean {
    return this.index.annotations[keys.createdAt] !== undefined;
  }

  get isSigned(): boolean {
    return this.index.annotations[keys.signedAt] !== undefined;
  }

  /**
   * The first payload of an ECU and release key.
   * @throws {OtaError} PAYLOAD_NOT_FOUND; PAYLOAD_UNSUPPORTED if there is one of a kind that is not known here
   */
  payload(ecuId: string, releaseKey: ReleaseKey = 'dev'): Payload {
    const found = this.payloads.find((one) => one.ecuId === ecuId && one.releaseKey === releaseKey);
    if (found) return found;
    const unknown = this.unknownEntries.find(({annotations}) => {
      const result = PayloadAnnotations.safeParse(annotations ?? {});
      return result.success && result.data[keys.ecu] === ecuId && result.data[keys.releaseKey] === releaseKey;
    });
    if (unknown) throw unsupported(ecuId, unknown);
    const there = this.payloads.map((one) => `${one.ecuId} (${one.releaseKey})`);
    throw new OtaError(
      'PAYLOAD_NOT_FOUND',
      `The image has no payload for ecu_id="${ecuId}", release key "${releaseKey}"`,
      {
        hint: there.length > 0 ? `it has: ${there.join(', ')}` : 'it has no payload at all',
      },
    );
  }

  async manifest({descriptor}: Payload): Promise<ImageManifest> {
    return readDocument(ImageManifest, await readBlob(this.source, descriptor), 'The image manifest');
  }

  async config({config}: ImageManifest): Promise<ImageConfig> {
    return readDocument(ImageConfig, await readBlob(this.source, config), 'The image config');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source[Symbol.asyncDispose]();
  }

  #entries(kind: IndexEntryKind): readonly Descriptor[] {
    return this.index.manifests.filter((descriptor) => entryKind(descriptor) === kind);
  }
}

function unsupported(ecuId: string, {artifactType, mediaType}: Descriptor): OtaError {
  const isPartitions = artifactType === artifactTypes.partitionBasedImage;
  const kind = isPartitions ? 'a partition-based image' : `of the type ${artifactType ?? mediaType}`;
  return new OtaError(
    'PAYLOAD_UNSUPPORTED',
    `The payload for ecu_id="${ecuId}" is ${kind}, which is not known here`,
    {
      hint: 'only file-based OTA images can be read; a newer hypriotkit may know this kind',
    },
  );
}
