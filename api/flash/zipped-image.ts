import {promisify} from 'node:util';
import * as zlib from 'node:zlib';
import {open as openZip, type Entry, type ZipFile} from 'yauzl';
import {PipelineError} from '../errors.ts';
import type {Unpacked} from './decompress.ts';

/**
 * Opens the image in a zip: the one file whose name ends in `.img`, or else the only file.
 *
 * @throws PipelineError `IMAGE_UNUSABLE`
 */
export async function openZippedImage(path: string): Promise<Unpacked> {
  const open = promisify<string, object, ZipFile>(openZip);
  const zip = await open(path, {lazyEntries: true, autoClose: false}).catch((error: unknown) => {
    throw damaged(path, (error as Error).message);
  });
  try {
    const entry = chooseImage(path, await readEntries(zip));
    return {stream: contentOf(zip, entry), sizeBytes: entry.uncompressedSize};
  } catch (error) {
    zip.close();
    throw error instanceof PipelineError ? error : damaged(path, (error as Error).message);
  }
}

function chooseImage(path: string, entries: readonly Entry[]): Entry {
  const files = entries.filter(({fileName}) => !fileName.endsWith('/'));
  const images = files.filter(({fileName}) => /\.img$/i.test(fileName));
  const [only, ...others] = images.length > 0 ? images : files;
  if (only === undefined) throw damaged(path, 'it holds no file');
  if (others.length === 0) return only;
  throw new PipelineError('IMAGE_UNUSABLE', `${path} holds several files that could be the image`, {
    hint: 'Unpack it, and name the .img.',
  });
}

function readEntries(zip: ZipFile): Promise<Entry[]> {
  return new Promise((resolve, reject) => {
    const entries: Entry[] = [];
    zip.on('error', reject);
    zip.on('end', () => {
      resolve(entries);
    });
    zip.on('entry', (entry: Entry) => {
      entries.push(entry);
      zip.readEntry();
    });
    zip.readEntry();
  });
}

/** The bytes of a file; yauzl checks how many there are, and not what they are. */
async function* contentOf(zip: ZipFile, entry: Entry): AsyncGenerator<Buffer> {
  try {
    const stream = await promisify((done: Parameters<ZipFile['openReadStream']>[1]) => {
      zip.openReadStream(entry, done);
    })();
    let sum = 0;
    for await (const chunk of stream) {
      sum = zlib.crc32(chunk as Buffer, sum);
      yield chunk as Buffer;
    }
    if (sum !== entry.crc32) throw new Error('it does not have the checksum of the zip');
  } finally {
    zip.close();
  }
}

function damaged(path: string, reason: string): PipelineError {
  return new PipelineError('IMAGE_UNUSABLE', `${path} is damaged: ${reason}`, {hint: 'Get the image anew.'});
}
