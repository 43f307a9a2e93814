/** Characters that a long name must not have; control characters neither. */
const forbidden = /[\p{Cc}"*/:<>?\\|]/u;
const shortPattern = /^[A-Z0-9!#$%&'()\-@^_`{}~]{1,8}(\.[A-Z0-9!#$%&'()\-@^_`{}~]{1,3})?$/;
const unitsPerRecord = 13;

/** What is wrong with `name` as the name of a file on FAT; undefined when nothing is. */
export function findFatNameProblem(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..') return 'is no name';
  if (name.length > 255) return 'has more than 255 characters';
  if (forbidden.test(name))
    return 'has a character that FAT does not allow: " * / : < > ? \\ | or a control character';
  if (/[. ]$/.test(name)) return 'ends with a dot or a space';
  return undefined;
}

/** Names on FAT differ by more than case. */
export function fatNameKey(name: string): string {
  return name.toUpperCase();
}

/**
 * The 11 characters of the short name that goes with `name`, and whether a long one is needed beside it.
 *
 * @param taken Short names of the folder, 11 characters each.
 */
export function makeShortName(
  name: string,
  taken: ReadonlySet<string>,
): {readonly shortName: string; readonly needsLongName: boolean} {
  const upper = name.toUpperCase();
  if (shortPattern.test(upper)) {
    const [stem = '', extension = ''] = upper.split('.');
    const shortName = stem.padEnd(8) + extension.padEnd(3);
    if (!taken.has(shortName)) return {shortName, needsLongName: upper !== name};
  }
  const dot = upper.lastIndexOf('.');
  const clean = (text: string) => text.replaceAll(/[. ]/g, '').replaceAll(/[^A-Z0-9!#$%&'()\-@^_`{}~]/g, '_');
  const stem = clean(dot > 0 ? upper.slice(0, dot) : upper);
  const extension = clean(dot > 0 ? upper.slice(dot + 1) : '')
    .slice(0, 3)
    .padEnd(3);
  for (let number = 1; ; number++) {
    const tail = `~${number}`;
    const shortName = (stem.slice(0, 8 - tail.length) + tail).padEnd(8) + extension;
    if (!taken.has(shortName)) return {shortName, needsLongName: true};
  }
}

/** The records that carry a long name, in the order in which they lie before the short one. */
export function makeLongNameRecords(name: string, shortName: string): Buffer[] {
  const sum = checksum(shortName);
  const count = Math.ceil(name.length / unitsPerRecord);
  return Array.from({length: count}, (_, index) => {
    const number = count - index;
    const part = name.slice((number - 1) * unitsPerRecord, number * unitsPerRecord);
    // A name that does not fill its last record ends with 0; what follows is filled with FFFF.
    const units = Buffer.alloc(2 * unitsPerRecord, 0xff);
    Buffer.from(part.length < unitsPerRecord ? `${part}\0` : part, 'utf16le').copy(units);
    const record = Buffer.alloc(32);
    record.writeUInt8(index === 0 ? number | 0x40 : number, 0);
    record.writeUInt8(0x0f, 11);
    record.writeUInt8(sum, 13);
    units.copy(record, 1, 0, 10);
    units.copy(record, 14, 10, 22);
    units.copy(record, 28, 22, 26);
    return record;
  });
}

/** The part of a long name that one of its records carries. */
export function readLongNameRecord(record: Buffer): string {
  const units = Buffer.concat([record.subarray(1, 11), record.subarray(14, 26), record.subarray(28, 32)]);
  return units.toString('utf16le').replace(/[\0\uffff].*$/s, '');
}

function checksum(shortName: string): number {
  let sum = 0;
  for (const byte of Buffer.from(shortName, 'latin1')) sum = (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff;
  return sum;
}
