import {createHash} from 'node:crypto';
import {OtaError} from '../../ota-error.ts';
import {sha256Hex, type Sha256Hex} from '../model/digest.ts';
import {canStream, decompressStream} from '../zstd/decompress-stream.ts';
import {decompressWhole, maxWholeSize} from '../zstd/decompress.ts';
import type {BlobFiles} from './blob-files.ts';
import type {ContentPlan} from './content-plan.ts';

/** Larger content is streamed where that is possible: each thread would need its size several times. */
const streamedBytes = 8 * 1024 * 1024;

/** Makes the bytes of resources from blobs. At each step of a plan, size and digest are checked. */
export class ContentReader {
  readonly #blobs: BlobFiles;

  constructor(blobs: BlobFiles) {
    this.#blobs = blobs;
  }

  /**
   * All bytes at once, or undefined if they are too many for that.
   * @throws {OtaError} BLOB_MISSING, BLOB_CORRUPT, ZSTD_INVALID, ZIP_INVALID
   */
  whole(plan: ContentPlan): Buffer | undefined {
    return plan.size > streamedBytes && canStream() ? undefined : this.#whole(plan);
  }

  /** As `whole`, for what many files are cut out of: up to {@link maxWholeSize}. */
  wholeBundle(plan: ContentPlan): Buffer | undefined {
    return this.#whole(plan);
  }

  #whole(plan: ContentPlan): Buffer | undefined {
    if (plan.size > maxWholeSize) return undefined;
    switch (plan.kind) {
      case 'blob':
        return this.#blobs.whole(plan.digest, plan.size);
      case 'compress': {
        const frame = this.#whole(plan.of);
        return frame && checked(plan, decompressWhole(frame, plan.size, nameOf(plan)));
      }
      case 'slice': {
        const slices = plan.of.map(({digest, size}) => this.#blobs.whole(digest, size));
        return checked(plan, Buffer.concat(slices));
      }
      case 'bundle': {
        const bundle = this.#whole(plan.of);
        return checked(plan, bundle?.subarray(plan.offset, plan.offset + plan.size));
      }
    }
  }

  /** The bytes in pieces, in constant memory; the error of a wrong digest comes after the last piece. */
  async *stream(plan: ContentPlan): AsyncGenerator<Uint8Array> {
    if (plan.kind === 'blob') {
      yield* this.#blobs.pieces(plan.digest, plan.size);
      return;
    }
    const hash = createHash('sha256');
    let size = 0;
    for await (const piece of this.#made(plan)) {
      hash.update(piece);
      size += piece.length;
      yield piece;
    }
    if (size !== plan.size || hash.digest('hex') !== plan.digest) throw broken(plan);
  }

  async *#made(plan: Exclude<ContentPlan, {kind: 'blob'}>): AsyncGenerator<Uint8Array> {
    switch (plan.kind) {
      case 'compress':
        yield* decompressStream(this.stream(plan.of), plan.size, nameOf(plan));
        return;
      case 'slice':
        for (const {digest, size} of plan.of) yield* this.#blobs.pieces(digest, size);
        return;
      case 'bundle':
        yield* part(this.stream(plan.of), plan.offset, plan.size);
    }
  }
}

/**
 * Cuts a member out of a bundle that is in memory.
 * @throws {OtaError} BLOB_CORRUPT if the bytes are not those of the member
 */
export function memberOf(
  bundle: Buffer,
  member: {readonly offset: number; readonly size: number; readonly digest: Sha256Hex},
): Buffer {
  const bytes = bundle.subarray(member.offset, member.offset + member.size);
  if (sha256Hex(bytes) !== member.digest) throw broken(member);
  return bytes;
}

function checked(plan: ContentPlan, bytes: Buffer | undefined): Buffer | undefined {
  if (bytes && (bytes.length !== plan.size || sha256Hex(bytes) !== plan.digest)) throw broken(plan);
  return bytes;
}

async function* part(
  pieces: AsyncIterable<Uint8Array>,
  offset: number,
  size: number,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const piece of pieces) {
    const wanted = piece.subarray(Math.max(0, offset - at), Math.max(0, offset + size - at));
    if (wanted.length > 0) yield wanted;
    at += piece.length;
    if (at >= offset + size) return;
  }
}

function nameOf({digest}: {readonly digest: Sha256Hex}): string {
  return `The resource ${digest}`;
}

function broken(plan: {readonly digest: Sha256Hex}): OtaError {
  return new OtaError('BLOB_CORRUPT', `${nameOf(plan)} is broken: what its filter gives has another digest`);
}
