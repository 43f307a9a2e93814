import {relative} from 'node:path';

/** `CONFIG_UNREADABLE`: the file could not be read at all; `CONFIG_INVALID`: what it says is wrong. */
export type ConfigErrorCode = 'CONFIG_INVALID' | 'CONFIG_UNREADABLE' | 'BUNDLE_INVALID';

/** One thing that is wrong in a configuration file. */
export interface ConfigIssue {
  /** Absolute. */
  readonly file: string;
  /** From 1; absent when the file as a whole is meant. */
  readonly line?: number;
  /** From 1, in UTF-16 code units, as editors count; absent with `line`. */
  readonly column?: number;
  /** A sentence without full stop that names the field, without `found` and `suggestion`. */
  readonly message: string;
  /** What stands there, ready to print; masked when it is a password. */
  readonly found?: string;
  /** What should stand there, in words. */
  readonly expected?: string;
  /** What the writer most likely meant. */
  readonly suggestion?: string;
  readonly excerpt?: Excerpt;
}

/** The line of an issue, or the interesting part of a long one, safe to print. */
export interface Excerpt {
  readonly text: string;
  /** The first bad character in `text`, from 0. */
  readonly start: number;
  /** How many characters are bad, at least 1. */
  readonly length: number;
}

/** More would scroll the first ones, which matter most, out of sight; `issues` has them all. */
const issuesInMessage = 20;

/** A configuration file that cannot be used, with everything that is wrong in it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code: ConfigErrorCode;
  /** Sorted by position; never empty. */
  readonly issues: readonly ConfigIssue[];

  constructor(
    code: ConfigErrorCode,
    issues: readonly ConfigIssue[],
    options: {readonly cause?: unknown} = {},
  ) {
    const shown = issues.slice(0, issuesInMessage).map((issue) => formatConfigIssue(issue));
    const hidden = issues.length - shown.length;
    super([...shown, ...(hidden > 0 ? [`… and ${hidden} more`] : [])].join('\n'), options);
    this.code = code;
    this.issues = issues;
  }
}

/**
 * The text form of an issue: position and message, and the line with a squiggle under the bad part.
 *
 * @param folder File names are shown relative to it when they lie in it.
 */
export function formatConfigIssue(issue: ConfigIssue, folder: string = process.cwd()): string {
  return [`${formatPosition(issue, folder)} ${formatStatement(issue)}`, ...formatExcerpt(issue)].join('\n');
}

/** Where an issue is: `configs.json:3:17`. */
export function formatPosition({file, line, column}: ConfigIssue, folder: string = process.cwd()): string {
  const near = relative(folder, file);
  const shown = near === '' || near.startsWith('..') ? file : near;
  return line === undefined ? `${shown}:` : `${shown}:${line}:${column ?? 1}`;
}

/** What an issue says, without its position. */
export function formatStatement({message, found, suggestion}: ConfigIssue): string {
  const rest = found === undefined ? '' : `, found ${found}`;
  return message + rest + (suggestion === undefined ? '' : `, did you mean "${suggestion}"?`);
}

/** The line of an issue with a squiggle under the bad part; nothing when there is no line. */
export function formatExcerpt({excerpt}: ConfigIssue): readonly string[] {
  if (excerpt === undefined) return [];
  // Tabs stay tabs, or the squiggle would not stand under the text.
  const indent = excerpt.text.slice(0, excerpt.start).replaceAll(/[^\t]/g, ' ');
  return [`    ${excerpt.text}`, `    ${indent}${'~'.repeat(excerpt.length)}`];
}
