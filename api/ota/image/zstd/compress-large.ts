import {chunkBytes, maxChunkBytes} from './compress.ts';
import {frameHeader, maxBlockBytes, openEnd, rawBlock} from './frame-parts.ts';
import {findJoint, type Joint} from './joint.ts';

/** How far back a joint looks. */
const historyBytes = 8;

/** What `compressLarge` needs of its content. */
export interface LargeContent {
  readonly sizeBytes: number;
  read(offset: number, length: number): Buffer;
  /** Compresses a part (`compressChunk`), in another thread perhaps. */
  compressChunk(offset: number, length: number): Promise<{windowByte: number; blocks: Buffer}>;
}

/**
 * Compresses content of any size to one frame, in constant memory, up to `parallel` chunks at once. The bytes depend on
 * the content only. Gives the frame piece by piece.
 */
export async function* compressLarge(content: LargeContent, parallel: number): AsyncGenerator<Buffer> {
  const running: Promise<OpenPart>[] = [];
  const frame = new FrameJoiner(content.sizeBytes);
  for (const part of planParts(content)) {
    const pieces =
      part.kind === 'chunk'
        ? content.compressChunk(part.offset, part.length).then((chunk) => ({...chunk, isLast: part.isLast}))
        : Promise.resolve({blocks: part.blocks, isLast: part.isLast});
    // A failure is met when its turn comes; until then it must not count as unhandled.
    pieces.catch(() => undefined);
    running.push(pieces);
    if (running.length > parallel) yield* frame.add(await running.shift());
  }
  // Chunks are ready in any order; the frame takes them in theirs.
  for (const pieces of running) yield* frame.add(await pieces);
}

interface OpenPart {
  /** Of a chunk. */
  readonly windowByte?: number;
  readonly blocks: Buffer;
  readonly isLast: boolean;
}

/** Puts the parts of a frame together. */
class FrameJoiner {
  readonly #sizeBytes: number;
  #windowByte: number | undefined;

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  *add(part: OpenPart | undefined): Generator<Buffer> {
    if (!part) return;
    const {windowByte, blocks, isLast} = part;
    if (windowByte !== undefined) {
      if (this.#windowByte === undefined) yield frameHeader(this.#sizeBytes, windowByte);
      // The header has one window for all: chunks are made with the same settings.
      if (windowByte !== (this.#windowByte ??= windowByte)) throw new Error('chunks of different windows');
      if (!isLast) openEnd(blocks);
    }
    yield blocks;
  }
}

type Part =
  | {readonly kind: 'chunk'; readonly offset: number; readonly length: number; readonly isLast: boolean}
  | {readonly kind: 'blocks'; readonly blocks: Buffer; readonly isLast: boolean};

/**
 * Chunks with joints between them. Where no joint is found, a chunk becomes longer; and from {@link maxChunkBytes} on,
 * content is stored as it is until there is one.
 */
function* planParts(content: LargeContent): Generator<Part> {
  const {sizeBytes} = content;
  const windowAt = (offset: number) =>
    content.read(
      offset - historyBytes,
      Math.min(historyBytes + maxBlockBytes, sizeBytes - offset + historyBytes),
    );
  const jointIn = (window: Buffer, offset: number) => {
    const joint = findJoint(window, historyBytes);
    // A joint that ends the content would leave no chunk to mark as the last.
    return joint && offset + joint.length < sizeBytes ? joint : undefined;
  };
  for (let start = 0; ;) {
    let end = Math.min(start + chunkBytes, sizeBytes);
    let joint: Joint | undefined;
    while (end < sizeBytes && !(joint = jointIn(windowAt(end), end)) && end - start < maxChunkBytes)
      end = Math.min(end + maxBlockBytes, start + maxChunkBytes, sizeBytes);
    yield {kind: 'chunk', offset: start, length: end - start, isLast: end === sizeBytes};
    if (end === sizeBytes) return;
    while (!joint) {
      const window = windowAt(end);
      joint = jointIn(window, end);
      if (joint) break;
      const raw = window.subarray(historyBytes);
      const isEnd = end + raw.length === sizeBytes;
      yield {kind: 'blocks', blocks: rawBlock(raw, isEnd), isLast: isEnd};
      if (isEnd) return;
      end += raw.length;
    }
    yield {kind: 'blocks', blocks: joint.blocks, isLast: false};
    start = end + joint.length;
  }
}
