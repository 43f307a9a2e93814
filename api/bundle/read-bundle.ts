import {stat} from 'node:fs/promises';
import {ArchiveError} from '../archive/archive-error.ts';
import {StreamByteReader} from '../archive/byte-reader.ts';
import {decompressFile, detectCompression} from '../archive/decompress.ts';
import {checkMemberPath, readTarMembers} from '../archive/tar-reader.ts';
import {PipelineError} from '../errors.ts';

/** A file in a bundle. */
export interface BundleMember {
  readonly name: string;
  readonly content: Buffer;
}

/** A bundle as it was found, with what is wrong about it as an archive. */
export interface RawBundle {
  /** Files in the order of the archive; what must not be there is left out. */
  readonly members: readonly BundleMember[];
  readonly problems: readonly string[];
}

const mostMembers = 10_000;
/** Real bundles have kilobytes; a small file must not unpack to gigabytes. */
const mostBytes = 256 * 1024 * 1024;

/**
 * Reads all files of a bundle into memory.
 *
 * @throws PipelineError `INPUT_UNREADABLE` when the file cannot be read; `BUNDLE_INVALID` when it is no bundle at all.
 */
export async function readBundle(file: string): Promise<RawBundle> {
  await checkReadable(file);
  const compression = await detectCompression(file);
  const problems: string[] = [];
  if (compression !== 'gzip') problems.push('it is not compressed with gzip, and update agents expect that');
  const members = new Map<string, Buffer>();
  let total = 0;
  try {
    for await (const member of readTarMembers(new StreamByteReader(decompressFile(file, compression)))) {
      const {path, type, sizeBytes} = member;
      const problem =
        problemOf(path, type) ?? (members.has(path) ? `${show(path)} is there twice` : undefined);
      if (problem !== undefined) {
        problems.push(problem);
        continue;
      }
      if (type === 'folder') continue;
      total += sizeBytes;
      if (total > mostBytes || members.size >= mostMembers) {
        throw new ArchiveError('it unpacks to more than 256 MiB or 10000 files, far more than a bundle has');
      }
      const pieces: Buffer[] = [];
      for await (const piece of member.content()) pieces.push(Buffer.from(piece));
      members.set(path, Buffer.concat(pieces));
    }
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    throw new PipelineError('BUNDLE_INVALID', `${file} is not a bundle: ${error.message}`, {cause: error});
  }
  return {members: [...members].map(([name, content]) => ({name, content})), problems};
}

async function checkReadable(file: string): Promise<void> {
  const found = await stat(file).catch((error: unknown) => {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const reason = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    throw new PipelineError('INPUT_UNREADABLE', `${file} ${reason}`, {cause: error});
  });
  if (!found.isFile()) throw new PipelineError('INPUT_UNREADABLE', `${file} is not a regular file`);
}

function problemOf(path: string, type: string): string | undefined {
  try {
    if (path !== '.') checkMemberPath(path);
  } catch (error) {
    if (error instanceof ArchiveError) return error.message;
    throw error;
  }
  if (type === 'file' || type === 'folder') return undefined;
  return `${show(path)} is a ${type.replace('-', ' ')}; a bundle has files and folders only`;
}

function show(path: string): string {
  return JSON.stringify(path);
}
