import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import sqlite, {type SQLiteValue} from 'node-sqlite3-wasm';
import {OtaError} from '../../ota-error.ts';
import {hexFromBytes, type Sha256Hex} from '../model/digest.ts';

export type Row = Record<string, SQLiteValue>;

/**
 * One of the two tables of an image, opened for reading from a private copy. Only plain tables are read: a view, a
 * trigger or a virtual table could make a query do anything.
 */
export class TableDatabase implements AsyncDisposable {
  readonly #folder: string;
  readonly #database: sqlite.Database;
  readonly #what: string;

  private constructor(folder: string, database: sqlite.Database, what: string) {
    this.#folder = folder;
    this.#database = database;
    this.#what = what;
  }

  /** @throws {OtaError} TABLE_INVALID unless `bytes` are a database whose plain tables have these columns */
  static async open(
    bytes: AsyncIterable<Uint8Array> | Uint8Array,
    what: string,
    tables: Readonly<Record<string, readonly string[]>>,
  ): Promise<TableDatabase> {
    const folder = await mkdtemp(join(tmpdir(), 'hypriotkit-ota-'));
    try {
      const file = join(folder, 'table.sqlite3');
      await writeFile(file, bytes);
      const database = new sqlite.Database(file, {fileMustExist: true, readOnly: true});
      try {
        // One transaction for all reads: each lock of this library is a folder made and removed.
        database.exec('PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; BEGIN');
        checkSchema(database, tables);
      } catch (error) {
        database.close();
        throw error;
      }
      return new TableDatabase(folder, database, what);
    } catch (error) {
      await rm(folder, {recursive: true, force: true});
      throw asInvalid(error, what);
    }
  }

  /** The rows of a query. */
  *rows(sql: string): Generator<RowReader> {
    try {
      const statement = this.#database.prepare(sql);
      try {
        for (const row of statement.iterate()) yield new RowReader(row as Row, this.#what);
      } finally {
        statement.finalize();
      }
    } catch (error) {
      throw asInvalid(error, this.#what);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#database.close();
    await rm(this.#folder, {recursive: true, force: true});
  }
}

/** The values of a row, each checked for its type. */
export class RowReader {
  readonly #row: Row;
  readonly #what: string;

  constructor(row: Row, what: string) {
    this.#row = row;
    this.#what = what;
  }

  integer(column: string): number {
    const value = this.#row[column];
    const number = typeof value === 'bigint' ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isSafeInteger(number)) throw this.#wrong(column);
    return number;
  }

  count(column: string): number {
    const value = this.integer(column);
    if (value < 0) throw this.#wrong(column);
    return value;
  }

  optionalInteger(column: string): number | undefined {
    return this.#row[column] === null ? undefined : this.integer(column);
  }

  bytes(column: string): Uint8Array {
    const value = this.#row[column];
    if (!(value instanceof Uint8Array)) throw this.#wrong(column);
    return value;
  }

  optionalBytes(column: string): Uint8Array | undefined {
    return this.#row[column] === null ? undefined : this.bytes(column);
  }

  digest(column: string): Sha256Hex {
    const value = this.bytes(column);
    if (value.length !== 32) throw this.#wrong(column);
    return hexFromBytes(value);
  }

  /** Text that was selected as BLOB: SQLite does not check that its texts are UTF-8. */
  text(column: string): string {
    const text = Buffer.from(this.bytes(column));
    const decoded = text.toString('utf8');
    if (!Buffer.from(decoded, 'utf8').equals(text)) throw this.#wrong(column);
    return decoded;
  }

  #wrong(column: string): OtaError {
    return new OtaError('TABLE_INVALID', `${this.#what} has a row with a wrong value in ${column}`);
  }
}

function checkSchema(database: sqlite.Database, tables: Readonly<Record<string, readonly string[]>>): void {
  const strange = database.get(
    `SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index') OR (type = 'table' AND rootpage = 0)`,
  );
  if (strange)
    throw new Error(`it has the view, trigger or virtual table "${String((strange as Row)['name'])}"`);
  for (const [table, columns] of Object.entries(tables)) {
    const found = database.all(`PRAGMA table_xinfo(${table})`) as Row[];
    const plain = new Set(found.filter((column) => Number(column['hidden']) === 0).map(({name}) => name));
    const absent = columns.find((column) => !plain.has(column));
    if (absent !== undefined) throw new Error(`it has no column ${table}.${absent}`);
  }
}

function asInvalid(error: unknown, what: string): unknown {
  if (error instanceof OtaError || (error as NodeJS.ErrnoException).syscall !== undefined) return error;
  return new OtaError(
    'TABLE_INVALID',
    `${what} is not a table of an OTA image: ${(error as Error).message}`,
    {
      cause: error,
    },
  );
}
