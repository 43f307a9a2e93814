import {stripVTControlCharacters} from 'node:util';
import stringWidth from 'string-width';

const graphemes = new Intl.Segmenter(undefined, {granularity: 'grapheme'});

/** Columns that `text` takes on a terminal; wide characters count two, escape sequences nothing. */
export function widthOf(text: string): number {
  return stringWidth(text);
}

/**
 * One line of a container's output made safe to show inside a line of ours: what a carriage return has
 * overwritten, colours, cursor movements and other control characters are gone.
 *
 * @param limit How many characters of it are looked at, for callers that show only its beginning.
 */
export function cleanLine(line: string, limit = Infinity): string {
  const visible = line.split('\r').findLast((part) => part.trim() !== '') ?? '';
  return stripVTControlCharacters(visible.slice(0, limit))
    .replaceAll('\t', '  ')
    .replaceAll(/[\p{Cc}\p{Cs}\u2028\u2029]/gu, '');
}

/** Cuts `text` (without escape sequences) so that it takes at most `width` columns; a cut is marked by `…`. */
export function truncate(text: string, width: number): string {
  if (width <= 0) return '';
  // The segmenter reads all that it is given, and a line can have megabytes: this is enough for any real text.
  const head = text.slice(0, 32 * width + 64);
  let used = 0;
  let keep = 0;
  for (const {segment, index} of graphemes.segment(head)) {
    const columns = stringWidth(segment);
    if (used + columns > width) return `${head.slice(0, keep)}…`;
    used += columns;
    // Where to cut if the text turns out to be too long: one column is kept for the mark.
    if (used <= width - 1 && index + segment.length < head.length) keep = index + segment.length;
  }
  return head.length === text.length ? text : `${head.slice(0, keep)}…`;
}

/** Cuts an address in its middle: its server and the name of the file are what it is known by. */
export function shortenMiddle(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  const tail = Math.floor(width / 2);
  return truncate(text, width - tail) + text.slice(text.length - tail);
}

/** Pads with spaces to `width` columns. */
export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - stringWidth(text)));
}

/** Pads with spaces in front to `width` columns. */
export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - stringWidth(text))) + text;
}

/** Breaks `text` at spaces into lines of at most `width` columns; a longer word gets a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    if (line !== '' && stringWidth(line) + 1 + stringWidth(word) > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return line === '' ? lines : [...lines, line];
}

/** Indents every line of `text`. */
export function indent(text: string, by: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? line : by + line))
    .join('\n');
}

/** Lays rows out in columns, two spaces apart; columns named in `right` are aligned to the right. */
export function columns(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries())
      widths[index] = Math.max(widths[index] ?? 0, stringWidth(cell));
  }
  return rows.map((row) =>
    row
      .map((cell, index) => (right.includes(index) ? padStart : padEnd)(cell, widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
