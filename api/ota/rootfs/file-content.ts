import {readSync} from 'node:fs';
import type {Extent} from '../../disk/byte-source.ts';
import {OtaError} from '../ota-error.ts';

/**
 * Where the content of a file lies: in a file of this machine, whole or in pieces of it (an archive, a disk image). Plain
 * data, so that worker threads can be given it.
 */
export interface FileContent {
  readonly file: string;
  readonly sizeBytes: number;
  readonly extents: readonly Extent[];
}

export function wholeFile(file: string, sizeBytes: number): FileContent {
  return {file, sizeBytes, extents: [{start: 0, length: sizeBytes}]};
}

/**
 * Reads a part of the content; `descriptor` is its file, open.
 * @throws {OtaError} ROOTFS_INVALID if the file became shorter
 */
export function readContent(
  content: FileContent,
  descriptor: number,
  offset: number,
  length: number,
): Buffer {
  const [only, ...more] = content.extents;
  if (only?.start !== undefined && more.length === 0) {
    const buffer = Buffer.allocUnsafe(length);
    readFully(content, descriptor, buffer, only.start + offset);
    return buffer;
  }
  // What no extent covers reads as zeros.
  const buffer = Buffer.alloc(length);
  let position = 0;
  for (const extent of content.extents) {
    const from = Math.max(offset, position);
    const to = Math.min(offset + length, position + extent.length);
    if (from < to && extent.start !== undefined) {
      readFully(
        content,
        descriptor,
        buffer.subarray(from - offset, to - offset),
        extent.start + from - position,
      );
    }
    position += extent.length;
    if (position >= offset + length) break;
  }
  return buffer;
}

function readFully({file}: FileContent, descriptor: number, buffer: Buffer, position: number): void {
  for (let done = 0; done < buffer.length;) {
    const read = readSync(descriptor, buffer, done, buffer.length - done, position + done);
    if (read === 0) throw new OtaError('ROOTFS_INVALID', `${file} became shorter while it was read`);
    done += read;
  }
}
