import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import sqlite, {type BindValues} from 'node-sqlite3-wasm';

export type InsertRow = readonly (string | number | Uint8Array | null)[];

/** What a database is made of: its statements, then rows for some of its tables. */
export interface TableContent {
  readonly ddl: readonly string[];
  readonly inserts: readonly {readonly sql: string; readonly rows: Iterable<InsertRow>}[];
}

/** The bytes of a SQLite database with this content: the same for the same rows in the same order. */
export async function writeTable({ddl, inserts}: TableContent, tmpDir: string = tmpdir()): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpDir, 'hypriotkit-ota-'));
  try {
    const file = join(folder, 'table.sqlite3');
    const database = new sqlite.Database(file);
    try {
      database.exec('PRAGMA page_size = 4096; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF');
      database.exec('BEGIN');
      for (const statement of ddl) database.exec(statement);
      for (const {sql, rows} of inserts) {
        const statement = database.prepare(sql);
        try {
          for (const row of rows) statement.run(row as BindValues);
        } finally {
          statement.finalize();
        }
      }
      database.exec('COMMIT');
      // Rows of different tables were not written one table after the other; afterwards they lie together.
      database.exec('VACUUM');
    } finally {
      database.close();
    }
    return await readFile(file);
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}
