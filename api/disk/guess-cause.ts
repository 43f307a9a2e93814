import {causeByBytes} from './guess-by-bytes.ts';
import {causeByPath} from './guess-by-path.ts';

/** What is known about a difference when its cause is guessed. */
export interface Evidence {
  /** The innermost thing that differs: a path inside a file system or archive, or the name of an artifact. */
  readonly file: string;
  /** What of it differs: `content`, `mtime`, `UUID`, … */
  readonly what: string;
  readonly before: string;
  readonly after: string;
  /** Bytes around the first difference in a content; `at` is its index in them, `offset` its place in the file. */
  readonly bytes?: {
    readonly before: Buffer;
    readonly after: Buffer;
    readonly at: number;
    readonly offset: number;
  };
  /** The whole contents, where they are small. */
  readonly whole?: {readonly before: Buffer; readonly after: Buffer} | undefined;
}

/** What is known about the machine and the moment of the builds. */
export interface Clues {
  readonly nowSeconds: number;
  /** `SOURCE_DATE_EPOCH` of the two builds, when they are known and not the same. */
  readonly epochs?: readonly number[];
  /** Names of the machines and containers that may have left them in an artifact. */
  readonly hostNames: readonly string[];
}

const causesByField: readonly (readonly [RegExp, string])[] = [
  [/^(UUID|hash seed|volume id|disk id|journal UUID)$/, 'an id that was made at random'],
  [/^(mode)$/, 'the umask of the build'],
  [/^(uid|gid|owner|group)$/, 'the user ids of the machine that packed it'],
  [/^lifetime writes$/, 'how much was written while it was made: the order or number of writes differed'],
  [/^order of entries$/, 'the order in which a folder was read: it was not sorted'],
  [/^(existence)$/, 'other packages, or a step that leaves files only sometimes'],
];

/**
 * Says where a difference usually comes from: a time stamp, a UUID, a random seed, an order, a path, a host name.
 * Undefined when nothing speaks for anything.
 */
export function guessCause(evidence: Evidence, clues: Clues): string | undefined {
  return (
    causeByPath(evidence.file, evidence.what) ??
    causeByField(evidence, clues) ??
    (evidence.bytes && causeByBytes(evidence.bytes, evidence.whole, clues))
  );
}

function causeByField({what, before, after}: Evidence, clues: Clues): string | undefined {
  if (/(time|check)$/.test(what)) {
    const seconds = [before, after].map((text) => Number(/\((-?\d+)[^)]*\)$/.exec(text)?.[1]));
    if (seconds.every((value) => clues.epochs?.includes(value)))
      return 'SOURCE_DATE_EPOCH, which was not the same';
    const isRecent = seconds.some((value) => Math.abs(value - clues.nowSeconds) < 2 * 86_400);
    return isRecent ? 'a time stamp: the clock of the build machine' : 'a time stamp';
  }
  return causesByField.find(([pattern]) => pattern.test(what))?.[1];
}
