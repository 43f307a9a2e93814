import {fatNameKey, makeLongNameRecords, makeShortName, readLongNameRecord} from './fat-name.ts';

export const recordBytes = 32;
const folderBit = 0x10;
const labelBit = 0x08;

/** A file or folder as its folder records it. */
export interface FatRecord {
  readonly name: string;
  /** Eleven characters. */
  readonly shortName: string;
  readonly isFolder: boolean;
  readonly firstCluster: number;
  readonly sizeBytes: number;
  /** Number of the record, 32 bytes each, that has all but the long name. */
  readonly slot: number;
}

/** What a record says besides the name. */
export interface RecordValues {
  readonly isFolder: boolean;
  readonly firstCluster: number;
  readonly sizeBytes: number;
  /** Seconds since 1970. */
  readonly modifiedAt: number;
}

/** The content of a FAT folder, in memory: `bytes` is changed in place, and written back by who has read it. */
export class FatFolder {
  readonly #records = new Map<string, FatRecord>();
  readonly #shortNames = new Set<string>();
  /** The newest date in it, in the form of a record. */
  newestDate = 0;
  bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#read();
  }

  find(name: string): FatRecord | undefined {
    return this.#records.get(fatNameKey(name));
  }

  /** How many bytes the folder has to grow by to take `name` in; 0 when there is room. */
  missingBytesFor(name: string): number {
    const records = this.#recordsFor(name).length;
    const at = this.#findRoom(records);
    return Math.max(0, (at + records) * recordBytes - this.bytes.length);
  }

  /** Adds a name that is not there; there must be room. */
  add(name: string, values: RecordValues): void {
    const records = this.#recordsFor(name);
    const at = this.#findRoom(records.length);
    const last = records.at(-1);
    if (last === undefined) throw new Error('a name without records');
    writeValues(last, values, true);
    Buffer.concat(records).copy(this.bytes, at * recordBytes);
    this.#records.clear();
    this.#shortNames.clear();
    this.#read();
  }

  /** Adds `.` or `..`, which every folder but the root has in front. */
  addLink(name: '.' | '..', values: RecordValues): void {
    const record = Buffer.alloc(recordBytes);
    record.write(name.padEnd(11), 0, 'latin1');
    writeValues(record, values, true);
    record.copy(this.bytes, (name.length - 1) * recordBytes);
  }

  /** Says where the content of a file lies now. */
  replace(record: FatRecord, values: RecordValues): void {
    const at = record.slot * recordBytes;
    writeValues(this.bytes.subarray(at, at + recordBytes), values, false);
    this.#records.set(fatNameKey(record.name), {...record, ...values});
  }

  #recordsFor(name: string): Buffer[] {
    const {shortName, needsLongName} = makeShortName(name, this.#shortNames);
    const record = Buffer.alloc(recordBytes);
    record.write(shortName, 0, 'latin1');
    return needsLongName ? [...makeLongNameRecords(name, shortName), record] : [record];
  }

  /** The first of so many free records in a row; may lie at the end, beyond which the folder has to grow. */
  #findRoom(count: number): number {
    const total = this.bytes.length / recordBytes;
    let free = 0;
    for (let slot = 0; slot < total; slot++) {
      const first = this.bytes.readUInt8(slot * recordBytes);
      // Nothing is in use behind a zero, which has to stay behind what is added.
      if (first === 0) return slot - free;
      free = first === 0xe5 ? free + 1 : 0;
      if (free === count) return slot - count + 1;
    }
    return total - free;
  }

  #read(): void {
    let longName = '';
    for (let slot = 0; (slot + 1) * recordBytes <= this.bytes.length; slot++) {
      const record = this.bytes.subarray(slot * recordBytes, (slot + 1) * recordBytes);
      const first = record.readUInt8(0);
      if (first === 0) {
        // What an earlier system left behind the end must not come back when the end moves.
        this.bytes.fill(0, slot * recordBytes);
        return;
      }
      const attributes = record.readUInt8(11);
      if (first === 0xe5) longName = '';
      else if (attributes === 0x0f) longName = readLongNameRecord(record) + longName;
      else {
        if ((attributes & labelBit) === 0) this.#remember(record, slot, longName);
        longName = '';
      }
    }
  }

  #remember(record: Buffer, slot: number, longName: string): void {
    const shortName = record.toString('latin1', 0, 11);
    const plainName = [shortName.slice(0, 8).trimEnd(), shortName.slice(8).trimEnd()]
      .filter(Boolean)
      .join('.');
    const entry: FatRecord = {
      name: longName || plainName,
      shortName,
      isFolder: (record.readUInt8(11) & folderBit) !== 0,
      firstCluster: record.readUInt16LE(20) * 0x10000 + record.readUInt16LE(26),
      sizeBytes: record.readUInt32LE(28),
      slot,
    };
    this.newestDate = Math.max(this.newestDate, record.readUInt16LE(24) * 0x10000 + record.readUInt16LE(22));
    this.#shortNames.add(shortName);
    // A file can be asked for by either name.
    this.#records.set(fatNameKey(plainName), entry);
    this.#records.set(fatNameKey(entry.name), entry);
  }
}

function writeValues(record: Buffer, values: RecordValues, isNew: boolean): void {
  const date = new Date(values.modifiedAt * 1000);
  const time = (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1);
  const day = ((date.getUTCFullYear() - 1980) << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate();
  if (isNew) {
    record.writeUInt8(values.isFolder ? folderBit : 0x20, 11);
    record.writeUInt16LE(time, 14);
    record.writeUInt16LE(day, 16);
  }
  record.writeUInt16LE(day, 18);
  record.writeUInt16LE(values.firstCluster >>> 16, 20);
  record.writeUInt16LE(time, 22);
  record.writeUInt16LE(day, 24);
  record.writeUInt16LE(values.firstCluster & 0xffff, 26);
  record.writeUInt32LE(values.sizeBytes, 28);
}
