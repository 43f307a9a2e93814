import {chunkBytes} from './compress.ts';
import {frameHeader, maxBlockBytes, openEnd, rawBlock} from './frame-parts.ts';
import {findJoint} from './joint.ts';

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
  const running: Promise<readonly Buffer[]>[] = [];
  let window: number | undefined;
  const join = async (chunk: ReturnType<LargeContent['compressChunk']>, isLast: boolean) => {
    const {windowByte, blocks} = await chunk;
    if (!isLast) openEnd(blocks);
    const header = window === undefined ? [frameHeader(content.sizeBytes, windowByte)] : [];
    // The header has one window for all: chunks are made with the same settings.
    if (windowByte !== (window ??= windowByte)) throw new Error('chunks of different windows');
    return [...header, blocks];
  };
  for (const part of planParts(content)) {
    const pieces =
      part.kind === 'chunk'
        ? join(content.compressChunk(part.offset, part.length), part.isLast)
        : Promise.resolve([part.blocks]);
    // A failure is met when its turn comes; until then it must not count as unhandled.
    pieces.catch(() => undefined);
    running.push(pieces);
    if (running.length > parallel) yield* (await running.shift()) ?? [];
  }
  for (const pieces of running) yield* await pieces;
}

type Part =
  | {readonly kind: 'chunk'; readonly offset: number; readonly length: number; readonly isLast: boolean}
  | {readonly kind: 'blocks'; readonly blocks: Buffer};

/** Chunks with joints between them. Where no joint is found, content is stored as it is until there is one. */
function* planParts(content: LargeContent): Generator<Part> {
  const {sizeBytes} = content;
  let offset = 0;
  for (;;) {
    const length = Math.min(chunkBytes, sizeBytes - offset);
    const isLast = offset + length === sizeBytes;
    yield {kind: 'chunk', offset, length, isLast};
    offset += length;
    if (isLast) return;
    for (;;) {
      const window = content.read(
        offset - historyBytes,
        Math.min(historyBytes + maxBlockBytes, sizeBytes - offset + historyBytes),
      );
      const joint = findJoint(window, historyBytes);
      // A joint that ends the content would leave no chunk to mark as the last.
      if (joint && offset + joint.length < sizeBytes) {
        yield {kind: 'blocks', blocks: joint.blocks};
        offset += joint.length;
        break;
      }
      const raw = window.subarray(historyBytes);
      const isEnd = offset + raw.length === sizeBytes;
      yield {kind: 'blocks', blocks: rawBlock(raw, isEnd)};
      if (isEnd) return;
      offset += raw.length;
    }
  }
}
