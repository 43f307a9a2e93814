import {formatByteSize} from '../../configs/human-units.ts';
import {PipelineError} from '../errors.ts';

/** One thing that takes room in the image. */
export interface SizedItem {
  /** For messages: `files[0] https://…/wikipedia.zim`. */
  readonly name: string;
  readonly bytes: number;
  /** Nobody has said how large it is; this is a guess. */
  readonly isGuess: boolean;
}

export interface SizeInput {
  /** Of the whole base image, unpacked. */
  readonly baseBytes: number;
  /** Where the data partition begins; what is in front of it stays. */
  readonly rootBytes: number;
  readonly items: readonly SizedItem[];
}

const sectorBytes = 512;

/**
 * The smallest image: base, content, and a tenth of the content for the file system. An exported container image counts
 * with its tar and its unpacked size, because the device unpacks it before it deletes the tar.
 */
export function smallestImage({baseBytes, rootBytes, items}: SizeInput): number {
  const raw = items.reduce((sum, {bytes}) => sum + bytes, 0);
  const margin = Math.floor(raw / 10);
  return roundUp(Math.max(baseBytes, rootBytes + raw + margin), sectorBytes);
}

/**
 * The size that the image gets.
 *
 * @throws PipelineError `CONTENT_TOO_LARGE` that says by how much it does not fit, and what takes most room.
 */
export function chooseImageSize(
  input: SizeInput,
  wanted: {
    readonly outputBytes: number | undefined;
    readonly shrink: boolean;
    readonly maxBytes?: number | undefined;
  },
): number {
  const smallest = smallestImage(input);
  const {outputBytes, shrink, maxBytes} = wanted;
  if (outputBytes !== undefined && smallest > roundUp(outputBytes, sectorBytes))
    throw tooLarge(smallest, outputBytes, 'output.size', input);
  const size = outputBytes === undefined || shrink ? smallest : roundUp(outputBytes, sectorBytes);
  if (maxBytes !== undefined && size > maxBytes) throw tooLarge(size, maxBytes, '--max-size', input);
  return size;
}

function tooLarge(
  needed: number,
  available: number,
  limit: string,
  {items, rootBytes}: SizeInput,
): PipelineError {
  return new PipelineError(
    'CONTENT_TOO_LARGE',
    `the content does not fit: the image needs ${formatByteSize(needed)} (${needed} bytes), which is ${formatByteSize(needed - available)} (${needed - available} bytes) more than ${limit} allows`,
    {
      hint: [
        `The base takes ${formatByteSize(rootBytes)}.${items.length === 0 ? '' : ' The largest of the content:'}`,
        ...describeLargest(items),
        limit === 'output.size'
          ? 'Ask for a larger image (output.size: auto), or leave something out.'
          : 'Allow more, or leave something out.',
      ].join('\n'),
    },
  );
}

/** The five largest items, one line each. */
export function describeLargest(items: readonly SizedItem[]): readonly string[] {
  return [...items]
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, 5)
    .map(({name, bytes, isGuess}) => `  ${formatByteSize(bytes)}${isGuess ? ' (estimated)' : ''}  ${name}`);
}

function roundUp(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}
