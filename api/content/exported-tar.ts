import {ArchiveError} from '../archive/archive-error.ts';
import {StreamByteReader} from '../archive/byte-reader.ts';
import {decompressFile, detectCompression} from '../archive/decompress.ts';
import {readTarMembers} from '../archive/tar-reader.ts';
import {PipelineError} from '../errors.ts';
import {readDockerArchive} from '../registry/docker-archive.ts';
import type {ContentImage} from './content-config.ts';
import type {ExportedImage} from './oci-images.ts';

/** How large an exported image is. */
export interface TarSizes {
  /** Of the tar, not compressed. */
  readonly tarBytes: number;
  /** Of all files in it. */
  readonly unpackedBytes: number;
}

/**
 * An image that somebody has exported (docker save), checked and measured. The device reads plain tars, so that a
 * compressed one is unpacked on its way.
 *
 * @throws PipelineError `CONTENT_INVALID`
 */
export async function exportFromTar(image: ContentImage, path: string): Promise<ExportedImage> {
  try {
    const held = await readDockerArchive(path);
    if (
      !held.some(({platform}) => platform.startsWith(`${image.platform.os}/${image.platform.architecture}`))
    )
      throw new ArchiveError(`it is for ${held.map(({platform}) => platform).join(', ') || 'no platform'}`);
    const compression = await detectCompression(path);
    return {...(await measureTar(path)), image, open: () => decompressFile(path, compression)};
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    throw new PipelineError(
      'CONTENT_INVALID',
      `${image.field}: ${image.url ?? path} is no exported image: ${error.message}`,
      {
        cause: error,
        hint: 'It must be a tar of docker save, podman save or skopeo (docker-archive), for the platform of the device.',
      },
    );
  }
}

/** @throws ArchiveError when it is damaged. */
export async function measureTar(path: string): Promise<TarSizes> {
  let tarBytes = 0;
  async function* counted(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    for await (const piece of stream) {
      tarBytes += piece.length;
      yield piece;
    }
  }
  const stream = counted(decompressFile(path, await detectCompression(path)));
  let unpackedBytes = 0;
  for await (const {sizeBytes} of readTarMembers(new StreamByteReader(stream))) unpackedBytes += sizeBytes;
  // Behind the last member there are only zeros, which count.
  for await (const _piece of stream) continue;
  return {tarBytes, unpackedBytes};
}
