import {lstat, readFile, stat} from 'node:fs/promises';
import {ConfigError, type ConfigIssue} from './config-error.ts';
import {SourceText} from './source-text.ts';

/** The longest file that anybody would write is a few kilobytes. */
const maxBytes = 1024 ** 2;

/** Whether there is anything of that name, be it a link that leads nowhere. */
export async function entryExists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      return false;
    }
    throw unreadable(path, reasonOf(error), error);
  }
}

/** Reads the configuration file at the absolute path `file`. */
export async function readConfigText(file: string): Promise<SourceText> {
  const bytes = await readBytes(file);
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw unreadable(file, 'is UTF-16; save it as UTF-8');
  }
  try {
    // The decoder drops a byte order mark, so column 1 is the first character that an editor shows.
    return new SourceText(file, new TextDecoder('utf-8', {fatal: true}).decode(bytes));
  } catch (error) {
    throw notUtf8(file, bytes, error);
  }
}

async function readBytes(file: string): Promise<Uint8Array> {
  try {
    const stats = await stat(file);
    if (stats.isDirectory()) {
      throw unreadable(file, 'is a directory, not a file');
    }
    // A pipe or a device may never end.
    if (!stats.isFile()) {
      throw unreadable(file, 'is not a regular file');
    }
    if (stats.size > maxBytes) {
      throw unreadable(file, `is larger than 1 MiB (${stats.size} bytes)`);
    }
    return await readFile(file);
  } catch (error) {
    if (error instanceof ConfigError) {
      throw error;
    }
    throw unreadable(file, reasonOf(error), error);
  }
}

function notUtf8(file: string, bytes: Uint8Array, cause: unknown): ConfigError {
  const valid = bytes.subarray(0, lengthOfValidStart(bytes));
  // As a stream, the decoder keeps back what may be the start of a character.
  const text = new TextDecoder('utf-8', {ignoreBOM: true}).decode(valid, {stream: true});
  const wrong = bytes[Buffer.byteLength(text)] ?? 0;
  const source = new SourceText(file, text.replace(/^\ufeff/, ''));
  const problem = {
    span: {offset: source.text.length, length: 1},
    message: 'is not UTF-8',
    found: `the byte 0x${wrong.toString(16)}`,
    expected: 'UTF-8',
  };
  // Without the line: it cannot be shown right, and a password on it not be recognized.
  return new ConfigError('CONFIG_UNREADABLE', [source.toIssue(problem, '')], {cause});
}

/** How many bytes the decoder takes without a complaint; the last ones may be a part of a character. */
function lengthOfValidStart(bytes: Uint8Array): number {
  let low = 0;
  let high = bytes.length;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (isValidStart(bytes.subarray(0, middle))) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

function isValidStart(bytes: Uint8Array): boolean {
  try {
    // As a stream, a character that is cut off at the end is no error.
    new TextDecoder('utf-8', {fatal: true}).decode(bytes, {stream: true});
    return true;
  } catch {
    return false;
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'must not be read by this user (permission denied)',
  EPERM: 'must not be read by this user (permission denied)',
  ENOTDIR: 'lies below something that is not a directory',
  EISDIR: 'is a directory, not a file',
  ELOOP: 'is a symbolic link that leads to itself',
  ENAMETOOLONG: 'has a name that is too long',
};

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  return reasons[code ?? ''] ?? `cannot be read (${code ?? String(error)})`;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

function unreadable(file: string, message: string, cause?: unknown): ConfigError {
  const issue: ConfigIssue = {file, message};
  return new ConfigError('CONFIG_UNREADABLE', [issue], {cause});
}
