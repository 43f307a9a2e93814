/**
 * Sizes and durations as people write them in YAML for content images and cache policies: the grammar of humanfriendly
 * 10.0 (`8G`, `2.4 GiB`, `30d`), which the tools of Kiwix Offspot read. Sizes in configs.json are stricter: `size.ts`.
 */

const decimalLetters = 'kmgtpezy';
const binaryUnit = /^(?:[kmgtpezy]ib|(?:kibi|mebi|gibi|tebi|pebi|exbi|zebi|yobi)byte)$/;

/**
 * Bytes of a text such as `8G` (decimal), `2.4GiB` (binary), `512` or `10 MB`; undefined for anything else, and for more
 * than a number can hold exactly. As in humanfriendly only the first letter of a decimal unit counts.
 */
export function findByteSize(text: string): number | undefined {
  const [number, unit] = splitUnit(text) ?? [];
  const bytes = Math.trunc(Number(number) * (bytesPerUnit(unit ?? '') ?? Number.NaN));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

function bytesPerUnit(unit: string): number | undefined {
  if (unit === '' || unit.startsWith('b')) return 1;
  const singular = unit.replace(/s+$/, '');
  const power = singular === '' ? 0 : decimalLetters.indexOf(singular.charAt(0)) + 1;
  if (power === 0) return undefined;
  return binaryUnit.test(singular) ? 1024 ** power : 1000 ** power;
}

/** A number and what follows it, in lower case: exactly these two. */
function splitUnit(text: string): readonly [number: string, unit: string] | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([^\d]*?)\s*$/.exec(text);
  return match === null ? undefined : [match[1] ?? '', (match[2] ?? '').toLowerCase()];
}

const timeUnits: readonly (readonly [names: string, seconds: number])[] = [
  ['ns nanosecond nanoseconds', 1e-9],
  ['us microsecond microseconds', 1e-6],
  ['ms millisecond milliseconds', 1e-3],
  ['s sec secs second seconds', 1],
  ['m min mins minute minutes', 60],
  ['h hour hours', 3600],
  ['d day days', 86_400],
  ['w week weeks', 604_800],
  ['y year years', 52 * 604_800],
];
const secondsPerUnit = new Map(
  timeUnits.flatMap(([names, seconds]) => names.split(' ').map((name) => [name, seconds] as const)),
);

/**
 * Whole seconds of a text such as `30d`, `4 weeks`, `1y` (52 weeks) or `90`; undefined for anything else. One number and
 * one unit; `m` is a minute.
 */
export function findTimeSpan(text: string): number | undefined {
  const [number, unit] = splitUnit(text) ?? [];
  const seconds = Math.trunc(Number(number) * (secondsPerUnit.get(unit || 's') ?? Number.NaN));
  return Number.isSafeInteger(seconds) ? seconds : undefined;
}

const binaryNames = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const;

/** `0 bytes`, `1 byte`, `1.5 KiB`, `2.46 GiB`: binary units, at most two decimals. */
export function formatByteSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} ${bytes === 1 ? 'byte' : 'bytes'}`;
  let value = bytes / 1024;
  let index = 0;
  // Judged by the rounded text, so that it never says 1024 KiB.
  while (Number(value.toFixed(2)) >= 1024 && index < binaryNames.length - 1) {
    value /= 1024;
    index++;
  }
  return `${Number(value.toFixed(2))} ${binaryNames[index] ?? ''}`;
}

const spans: readonly (readonly [name: string, seconds: number])[] = [
  ['year', 52 * 604_800],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];

/** `1 minute and 30 seconds`, `4 weeks and 2 days`: the three largest units. */
export function formatTimeSpan(seconds: number): string {
  let rest = Math.trunc(seconds);
  const parts: string[] = [];
  for (const [name, length] of spans) {
    const count = Math.floor(rest / length);
    rest -= count * length;
    if (count > 0) parts.push(`${count} ${count === 1 ? name : `${name}s`}`);
  }
  const shown = parts.slice(0, 3);
  if (shown.length < 2) return shown[0] ?? '0 seconds';
  return `${shown.slice(0, -1).join(', ')} and ${shown.at(-1) ?? ''}`;
}
