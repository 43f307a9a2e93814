import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {mkdtemp, readdir, readFile, rm, stat} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {basename, join, resolve} from 'node:path';
import {parseBmap, type BlockMap} from '../disk/bmap.ts';
import {FileSource} from '../disk/byte-source.ts';
import {DamagedError} from '../disk/file-system.ts';
import {writeStream} from '../disk/unpack.ts';
import {findUsedRanges} from '../disk/used-ranges.ts';
import {PipelineError} from '../errors.ts';
import {findPacking, openUnpacked, type Packing} from './decompress.ts';
import {downloadImage} from './download-image.ts';
import {inPhase, type FlashListener} from './flash-event.ts';

/** An image that can be read at any place; `close` it. */
export interface OpenImage extends AsyncDisposable {
  /** What the user called it. */
  readonly label: string;
  /** The plain image; a temporary file when it was packed. */
  readonly path: string;
  readonly source: FileSource;
  readonly isPacked: boolean;
}

interface OpenOptions {
  readonly emit: FlashListener;
  readonly signal: AbortSignal;
  /** Refuse a packed image instead of unpacking it. */
  readonly mustBePlain?: boolean;
}

/**
 * Opens an image: a file, packed or not, an http(s) address, or a folder that holds one.
 *
 * @throws PipelineError `USAGE`, `IMAGE_UNUSABLE`, `DOWNLOAD_FAILED`
 */
export async function openImage(wanted: string, options: OpenOptions): Promise<OpenImage> {
  const {emit, signal} = options;
  const downloaded = /^https?:\/\//i.test(wanted)
    ? await inPhase('download', wanted, emit, (progress) => downloadImage(wanted, {progress, emit, signal}))
    : undefined;
  try {
    const path = downloaded?.path ?? (await findFile(wanted));
    const packing = findPacking(await readHead(path));
    // Of a folder, which image it was has to be known.
    const label = path.startsWith(`${resolve(wanted)}/`) ? join(wanted, basename(path)) : wanted;
    if (packing === undefined) return await openPlain(path, label, {remove: downloaded?.release});
    if (options.mustBePlain === true) throw needsOutput(wanted, 'is packed');
    if (downloaded === undefined) await checkSum(path);
    const image = await unpack(path, packing, wanted, options);
    await downloaded?.release();
    return image;
  } catch (error) {
    await downloaded?.release();
    throw error;
  }
}

/** The error for an image that can only be changed in a copy. */
export function needsOutput(image: string, why: string): PipelineError {
  return new PipelineError('USAGE', `${image} ${why}: it cannot be changed in its place`, {
    hint: 'Name the changed copy: --output FILE.img',
  });
}

/** What of an image has to be written: what the bmap file beside it says, or else what its file systems use. */
export async function findBlockMap(image: OpenImage): Promise<BlockMap> {
  const {sizeBytes} = image.source;
  const file = `${image.isPacked ? image.label.replace(/\.(zip|gz|xz|zst)$/, '') : image.path}.bmap`;
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined)
    return {
      imageBytes: sizeBytes,
      ranges: (await findUsedRanges(image.source)).map((range) => ({...range, sha256: undefined})),
    };
  try {
    const map = parseBmap(text);
    if (map.imageBytes !== sizeBytes)
      throw new DamagedError(`it belongs to an image of ${map.imageBytes} bytes, not ${sizeBytes}`);
    return map;
  } catch (error) {
    if (!(error instanceof DamagedError)) throw error;
    throw new PipelineError('IMAGE_UNUSABLE', `the block map ${file} does not fit: ${error.message}`, {
      cause: error,
      hint: 'Remove it if you have changed the image yourself; else get both anew.',
    });
  }
}

async function findFile(wanted: string): Promise<string> {
  const path = resolve(wanted);
  const stats = await stat(path).catch((error: unknown) => {
    const {code, message} = error as NodeJS.ErrnoException;
    throw new PipelineError(
      'USAGE',
      code === 'ENOENT' ? `there is no image ${wanted}` : `the image ${wanted} cannot be read: ${message}`,
      {
        cause: error,
      },
    );
  });
  if (!stats.isDirectory()) return path;
  const images = (await readdir(path)).filter((name) => name.endsWith('.img') && !name.startsWith('.'));
  const dated = await Promise.all(
    images.map(async (name) => ({path: join(path, name), ms: (await stat(join(path, name))).mtimeMs})),
  );
  const newest = dated.sort((a, b) => b.ms - a.ms)[0];
  if (newest !== undefined) return newest.path;
  throw new PipelineError('USAGE', `the folder ${wanted} holds no .img`, {
    hint: `Build one first: hypriotkit build rpi_sd_image --target ${wanted}`,
  });
}

async function readHead(path: string): Promise<Buffer> {
  await using source = await FileSource.open(path).catch((error: unknown) => {
    throw new PipelineError('USAGE', `the image ${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  });
  return await source.read(0, 16);
}

interface Temporary {
  /** Whether the image was unpacked into it. */
  readonly isPacked?: boolean;
  /** Called when the image is closed. */
  readonly remove: (() => Promise<void>) | undefined;
}

async function openPlain(
  path: string,
  label: string,
  {isPacked = false, remove}: Temporary,
): Promise<OpenImage> {
  const source = await FileSource.open(path);
  const image = {
    label,
    path,
    source,
    isPacked,
    [Symbol.asyncDispose]: async () => {
      await source.close();
      await remove?.();
    },
  };
  const head = await source.read(0, 512);
  if (head.length === 512 && head.readUInt16BE(510) === 0x55aa) return image;
  await image[Symbol.asyncDispose]();
  throw new PipelineError('IMAGE_UNUSABLE', `${label} is not a disk image: it has no partition table`, {
    hint: 'Name an .img, or one packed as .zip, .gz, .xz or .zst.',
  });
}

/** Into a temporary file, so that its size, its file systems and its checksums are known before anything is written. */
async function unpack(
  path: string,
  packing: Packing,
  label: string,
  {emit, signal}: OpenOptions,
): Promise<OpenImage> {
  const work = await mkdtemp(join(tmpdir(), 'hypriotkit-flash-'));
  try {
    const to = join(work, 'image.img');
    await inPhase('unpack', label, emit, async (progress) => {
      const {stream, sizeBytes} = await openUnpacked(path, packing);
      await writeStream(
        watched(stream, signal, (doneBytes) => progress(doneBytes, sizeBytes)),
        to,
      );
    });
    return await openPlain(to, label, {
      isPacked: true,
      remove: () => rm(work, {recursive: true, force: true}),
    });
  } catch (error) {
    await rm(work, {recursive: true, force: true});
    signal.throwIfAborted();
    if (error instanceof PipelineError) throw error;
    const {code, message} = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC')
      throw new PipelineError('IMAGE_UNUSABLE', `there is no room in ${tmpdir()} to unpack ${label}`, {
        cause: error,
        hint: 'Name a folder with more room: TMPDIR=/path hypriotkit flash …',
      });
    throw new PipelineError('IMAGE_UNUSABLE', `${label} cannot be unpacked: ${message}`, {
      cause: error,
      hint: 'Get the image anew: it is damaged.',
    });
  }
}

async function* watched(
  stream: AsyncIterable<Buffer>,
  signal: AbortSignal,
  progress: (doneBytes: number) => void,
): AsyncGenerator<Buffer> {
  let done = 0;
  for await (const chunk of stream) {
    signal.throwIfAborted();
    yield chunk;
    progress((done += chunk.length));
  }
}

/** Compares with the `.sha256` beside a file, where there is one. */
async function checkSum(path: string): Promise<void> {
  const text = await readFile(`${path}.sha256`, 'utf8').catch(() => '');
  const wanted = /^([0-9a-f]{64})\b/i.exec(text)?.[1]?.toLowerCase();
  if (wanted === undefined) return;
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, {highWaterMark: 1024 * 1024}))
    hash.update(chunk as Buffer);
  if (hash.digest('hex') === wanted) return;
  throw new PipelineError('IMAGE_UNUSABLE', `${path} does not have the SHA-256 of ${basename(path)}.sha256`, {
    hint: 'Get both anew: one of them is damaged, or they do not belong together.',
  });
}
