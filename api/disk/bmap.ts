import {createHash} from 'node:crypto';
import type {ByteRange} from './byte-range.ts';
import {DamagedError} from './file-system.ts';

/** A range of a block map with what the map says of its content. */
export interface MappedRange extends ByteRange {
  /** Hex SHA-256 of its bytes. */
  readonly sha256: string | undefined;
}

/** What of an image has to be written; the rest may keep what a card has there. */
export interface BlockMap {
  readonly imageBytes: number;
  /** Sorted, not touching each other. */
  readonly ranges: readonly MappedRange[];
}

const tag = (text: string, name: string): string | undefined =>
  new RegExp(`<${name}>\\s*([^<\\s]*)\\s*</${name}>`).exec(text)?.[1];

/**
 * Reads a bmap file (format 1.3 to 2.0 of bmap-tools).
 *
 * @throws DamagedError when it is none, contradicts itself, or does not have its own checksum.
 */
export function parseBmap(text: string): BlockMap {
  const number = (name: string): number => {
    const value = Number(tag(text, name) ?? Number.NaN);
    if (!Number.isSafeInteger(value) || value < 0) throw new DamagedError(`it has no ${name}`);
    return value;
  };
  const version = /<bmap\s+version="(\d+)\.\d+"/.exec(text)?.[1];
  if (version === undefined) throw new DamagedError('it is no block map');
  if (Number(version) > 2) throw new DamagedError(`it has format ${version}, which is not known`);
  const isSha256 = tag(text, 'ChecksumType') === 'sha256';
  if (isSha256) checkOwnSum(text);
  const imageBytes = number('ImageSize');
  const blockBytes = number('BlockSize');
  const blocks = Math.ceil(imageBytes / blockBytes);
  const ranges: MappedRange[] = [];
  for (const [, attributes = '', from = '', to = from] of text.matchAll(
    /<Range([^>]*)>\s*(\d+)(?:\s*-\s*(\d+))?\s*<\/Range>/g,
  )) {
    const [first, last] = [Number(from), Number(to)];
    const start = first * blockBytes;
    if (last < first || last >= blocks || start < (ranges.at(-1)?.end ?? 0))
      throw new DamagedError(`its range ${from}-${to} is not possible`);
    const sum = /chksum="([0-9a-f]{64})"/i.exec(attributes)?.[1]?.toLowerCase();
    ranges.push({
      start,
      end: Math.min(imageBytes, (last + 1) * blockBytes),
      sha256: isSha256 ? sum : undefined,
    });
  }
  const mapped = ranges.reduce((sum, {start, end}) => sum + Math.ceil((end - start) / blockBytes), 0);
  if (mapped !== number('MappedBlocksCount')) throw new DamagedError('it does not list all of its blocks');
  return {imageBytes, ranges};
}

/** The bmap file of a map whose ranges all have a checksum. */
export function formatBmap({imageBytes, ranges}: BlockMap, blockBytes = 4096): string {
  const block = (offset: number) => Math.ceil(offset / blockBytes);
  const mapped = ranges.reduce((sum, {start, end}) => sum + block(end) - block(start), 0);
  const lines = ranges.map(({start, end, sha256}) => {
    const [first, last] = [block(start), block(end) - 1];
    return `        <Range chksum="${sha256 ?? ''}"> ${first === last ? first : `${first}-${last}`} </Range>\n`;
  });
  const zeros = '0'.repeat(64);
  const text = `<?xml version="1.0" ?>
<bmap version="2.0">
    <ImageSize> ${imageBytes} </ImageSize>
    <BlockSize> ${blockBytes} </BlockSize>
    <BlocksCount> ${block(imageBytes)} </BlocksCount>
    <MappedBlocksCount> ${mapped} </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> ${zeros} </BmapFileChecksum>
    <BlockMap>
${lines.join('')}    </BlockMap>
</bmap>
`;
  return text.replace(zeros, createHash('sha256').update(text).digest('hex'));
}

/** The file's own sum is that of the file with zeros in its place. */
function checkOwnSum(text: string): void {
  const sum = tag(text, 'BmapFileChecksum');
  if (sum === undefined) return;
  const blank = text.replace(sum, '0'.repeat(sum.length));
  if (createHash('sha256').update(blank).digest('hex') !== sum.toLowerCase())
    throw new DamagedError('it does not have its own checksum');
}
