import {constants, type BigIntStats} from 'node:fs';
import {lstat, open, type FileHandle} from 'node:fs/promises';
import {join} from 'node:path';
import type {KnownFile} from './entry-reader.ts';
import type {VolumeHost} from './volume-host.ts';

/** Writes a file without its holes, or says where its data is. */
export const sparseCat = '/usr/lib/hypriotkit/sparse-cat';

/** A piece of data between holes, in bytes. */
interface Piece {
  readonly offset: number;
  readonly length: number;
}

const chunkBytes = 1024 * 1024;

/**
 * Opens a file of a volume that lies on this machine and may be read by this process: then none of its bytes has to
 * come through the engine.
 *
 * @param path relative to the volume's root.
 * @returns undefined where the engine is on another machine, the process lacks the right, or there is no such file.
 */
export async function openNearFile(host: VolumeHost, path: string): Promise<NearFile | undefined> {
  const folder = await host.rootFolder?.();
  if (folder === undefined) return undefined;
  // A folder of the same name may exist here, and have something else in it.
  const file = await open(join(folder, path), constants.O_RDONLY | constants.O_NOFOLLOW).catch(
    () => undefined,
  );
  if (file === undefined) return undefined;
  const pieces = await piecesOfSame(file, host, path).catch(() => undefined);
  if (pieces !== undefined) return new NearFile(file, pieces.size, pieces.found);
  await file.close();
  return undefined;
}

/**
 * Lines of name, inode, size and time of change, for {@link parseIdentities}. No two files of a file system have the
 * same number at one time, and one whose number is given again, or whose content changes, has another time of change.
 */
export const printIdentities = "stat --printf '%i %s %.9Z %n\\n' --";

/** What {@link printIdentities} printed, by name. */
export function parseIdentities(output: string): Map<string, string> {
  return new Map(
    [...output.matchAll(/^(\d+ \d+ [\d.]+) (.*)$/gm)].map(([, identity = '', name = '']) => [name, identity]),
  );
}

/** A file of a volume that lies on this machine, if it is the one that was identified in the volume. */
export async function findNearFile(
  host: VolumeHost,
  path: string,
  identity: string,
): Promise<KnownFile | undefined> {
  const folder = await host.rootFolder?.();
  if (folder === undefined) return undefined;
  const here = join(folder, path);
  const isSame = async () => (await identityOf(here)) === identity;
  return (await isSame()) ? {path: here, isSame} : undefined;
}

async function identityOf(path: string): Promise<string | undefined> {
  const found = await lstat(path, {bigint: true}).catch(() => undefined);
  return found?.isFile() ? identify(found) : undefined;
}

function identify({ino, size, ctimeNs}: BigIntStats): string {
  return `${ino} ${size} ${seconds(ctimeNs)}`;
}

/** Where the data of a file is, if the volume has the very same one at the path. */
async function piecesOfSame(
  file: FileHandle,
  host: VolumeHost,
  path: string,
): Promise<{size: number; found: Piece[]} | undefined> {
  const here = await file.stat({bigint: true});
  if (!here.isFile()) return undefined;
  const answer = await host.run(`stat --printf '%i %s %.9Z\\n' -- "$1" && exec perl "$2" --map "$1"`, [
    path,
    sparseCat,
  ]);
  const [identity, ...lines] = answer.trimEnd().split('\n');
  if (identity !== identify(here)) return undefined;
  const found = lines.map((line) => {
    const [offset = NaN, length = NaN] = line.split(' ').map(Number);
    return {offset, length};
  });
  return {size: Number(here.size), found};
}

function seconds(ns: bigint): string {
  const digits = String(ns).padStart(10, '0');
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

/** See {@link openNearFile}. */
export class NearFile implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #size: number;
  readonly #pieces: readonly Piece[];

  constructor(file: FileHandle, size: number, pieces: readonly Piece[]) {
    this.#file = file;
    this.#size = size;
    this.#pieces = pieces;
  }

  /** Hands out the file as `sparse-cat` would write it. A chunk must not be used after its promise is settled. */
  async read(onChunk: (chunk: Buffer) => Promise<void> | void): Promise<void> {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    for (const {offset, length} of this.#pieces) {
      await onChunk(header(offset, length));
      for (let at = offset; at < offset + length;) {
        const wanted = Math.min(chunkBytes, offset + length - at);
        const {bytesRead} = await this.#file.read(buffer, 0, wanted, at);
        if (bytesRead === 0) throw new Error('a file in the volume became shorter while it was read');
        await onChunk(buffer.subarray(0, bytesRead));
        at += bytesRead;
      }
    }
    await onChunk(header(this.#size, 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

function header(offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64BE(BigInt(offset), 0);
  bytes.writeBigUInt64BE(BigInt(length), 8);
  return bytes;
}
