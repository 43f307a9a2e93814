/** A run of bytes. */
export interface ByteRange {
  readonly start: number;
  /** The byte after the last one. */
  readonly end: number;
}

/**
 * Sorts ranges, widens them to whole blocks and joins those that touch or lie closer than `gapBytes` together.
 *
 * @param sizeBytes What lies behind is cut off.
 */
export function joinRanges(
  ranges: readonly ByteRange[],
  options: {readonly blockBytes: number; readonly gapBytes?: number; readonly sizeBytes: number},
): ByteRange[] {
  const {blockBytes, gapBytes = 0, sizeBytes} = options;
  const joined: {start: number; end: number}[] = [];
  const widened = ranges
    .map(({start, end}) => ({
      start: Math.floor(start / blockBytes) * blockBytes,
      end: Math.min(sizeBytes, Math.ceil(end / blockBytes) * blockBytes),
    }))
    .filter(({start, end}) => start < end)
    .sort((a, b) => a.start - b.start);
  for (const {start, end} of widened) {
    const last = joined.at(-1);
    if (last !== undefined && start <= last.end + gapBytes) last.end = Math.max(last.end, end);
    else joined.push({start, end});
  }
  return joined;
}

/** Bytes in all of them. */
export function sumRanges(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, {start, end}) => sum + end - start, 0);
}

/** What of some ranges no range of `others` covers. */
export function subtractRanges(ranges: readonly ByteRange[], others: readonly ByteRange[]): ByteRange[] {
  let rest = [...ranges];
  for (const {start, end} of others) {
    rest = rest.flatMap((part) =>
      [
        {start: part.start, end: Math.min(part.end, start)},
        {start: Math.max(part.start, end), end: part.end},
      ].filter((piece) => piece.start < piece.end),
    );
  }
  return rest;
}
