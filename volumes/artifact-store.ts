import {PassThrough} from 'node:stream';
import type {EntryReader, KnownFile} from './entry-reader.ts';
import {findNearFile, openNearFile, parseIdentities, printIdentities, sparseCat} from './near-file.ts';
import {StoreEntry, storeFormat, type StoredFile} from './store-entry.ts';
import {VolumeScriptError, type VolumeHost} from './volume-host.ts';

/** Everything of ours in a volume lies below this folder, so that a mapped folder stays the user's. */
export const storeFolder = '.hypriotkit';

/** A private folder of one attempt at one step; nobody else reads or writes it. */
export interface WorkFolder {
  /** Relative to the volume's root. */
  readonly path: string;
}

/** A new entry as `publish` needs it. */
export interface NewEntry {
  readonly step: string;
  readonly fingerprint: string;
  readonly inputs: unknown;
  readonly durationMs: number;
  /** Of an entry that was made elsewhere. */
  readonly createdAt?: string;
  readonly origin?: string;
}

/** An entry that lies elsewhere. */
export interface ForeignEntry {
  readonly entry: StoreEntry;
  readonly reader: EntryReader;
  /** By name of a file that is not read but unpacked here: the name of its packed form (zstd). */
  readonly unpackedFrom: ReadonlyMap<string, string>;
  /** How the user calls the place. */
  readonly from: string;
}

/**
 * Keeps finished steps in a volume and finds them again by fingerprint.
 *
 * Layout below `.hypriotkit/`: `index/<fingerprint>.json` (see {@link StoreEntry}), `entries/<fingerprint>/` with the
 * files, `work/<id>/` for attempts. An entry exists when its index file does; that file is renamed into place after
 * everything it names. A kill at any moment therefore leaves at most work folders and entry folders without an index
 * file, which {@link sweep} removes.
 */
export class ArtifactStore implements EntryReader {
  readonly #host: VolumeHost;
  #entries: Map<string, StoreEntry> | undefined;
  /** By path, of files whose digest this process has seen: what they were then. */
  readonly #known = new Map<string, string>();

  constructor(host: VolumeHost) {
    this.#host = host;
  }

  /** Every readable entry by fingerprint, as of the last `refresh`. */
  async entries(): Promise<ReadonlyMap<string, StoreEntry>> {
    return this.#entries ?? this.refresh();
  }

  /** Reads the index again: another run may have published or removed entries. */
  async refresh(): Promise<ReadonlyMap<string, StoreEntry>> {
    const files = await this.#host.readFolder(`${storeFolder}/index`);
    const entries = new Map<string, StoreEntry>();
    for (const [name, content] of files) {
      const entry = parseEntry(content);
      // A damaged or foreign index file is no entry: the step then runs again and overwrites it.
      if (entry !== undefined && name === `${entry.fingerprint}.json`) entries.set(entry.fingerprint, entry);
    }
    this.#entries = entries;
    return entries;
  }

  async find(fingerprint: string): Promise<StoreEntry | undefined> {
    return (await this.entries()).get(fingerprint);
  }

  /** Folder of an entry's files, relative to the volume's root. */
  pathOf(entry: StoreEntry): string {
    return `${storeFolder}/entries/${entry.fingerprint}`;
  }

  /** Reads every byte of an entry's files and returns the names of those that are not what was published. */
  async findCorrupt(
    entry: StoreEntry,
    names = entry.files.map((file) => file.name),
  ): Promise<readonly string[]> {
    const wanted = new Map(entry.files.map((file) => [file.name, file]));
    const output = await this.#host.run(
      `cd "$1" 2>/dev/null || exit 0; shift
       ${printIdentities} "$@" 2>/dev/null
       for name; do [ ! -f "$name" ] || printf '%s\\0' "$name"; done | { ${hashFiles}; }; exit 0`,
      [this.pathOf(entry), ...names],
    );
    const found = new Map(parseDigests(output));
    const corrupt = names.filter((name) => found.get(name) !== wanted.get(name)?.sha256);
    this.#learn(entry, output, new Set(corrupt));
    return corrupt;
  }

  /** Makes an empty work folder. */
  async openWork(id: string): Promise<WorkFolder> {
    const path = `${storeFolder}/work/${id}`;
    // What an earlier attempt of this run may have left is not this one's work.
    // A mapped folder belongs to its owner, who must be able to remove it without the container's root.
    await this.#host.run(
      `set -e
       umask 022
       rm -rf -- "$1"
       set -- ${storeFolder} ${storeFolder}/index ${storeFolder}/entries ${storeFolder}/work "$1"
       mkdir -p -- "$@"
       chown --reference=. -- "$@"`,
      [path],
    );
    return {path};
  }

  /** Puts a small file into a work folder. */
  async writeWork(work: WorkFolder, name: string, content: string): Promise<void> {
    await this.#host.writeFile(`${work.path}/${name}`, content);
  }

  /** Copies files of an entry into a work folder, whose owner may change them. */
  async copyToWork(entry: StoreEntry, names: readonly string[], work: WorkFolder): Promise<void> {
    if (names.length === 0) return;
    await this.#host.run(
      'from=$1 to=$2; shift 2; for name; do cp --sparse=always -- "$from/$name" "$to/" || exit; done',
      [this.pathOf(entry), work.path, ...names],
    );
  }

  async discardWork(work: WorkFolder): Promise<void> {
    await this.#host.run('rm -rf -- "$1"', [work.path]);
  }

  /** Names of the files that lie directly in a work folder, sorted. */
  async listWork(work: WorkFolder): Promise<readonly string[]> {
    const output = await this.#host.run('cd "$1" && find . -mindepth 1 -maxdepth 1 -type f -printf "%f\\n"', [
      work.path,
    ]);
    return output.split('\n').filter(Boolean).sort();
  }

  /** What `.sha256` companions in a work folder say: digest by name of the file that they speak of. */
  async readCompanions(work: WorkFolder, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if (names.length === 0) return new Map();
    return new Map(
      parseDigests(await this.#host.run('cd "$1" && shift && cat -- "$@"', [work.path, ...names])),
    );
  }

  /** Size and digest of files in a work folder, sorted by name. */
  async measureWork(work: WorkFolder, names: readonly string[]): Promise<readonly StoredFile[]> {
    const output = await this.#host.run(
      `cd "$1" && shift && stat --printf '%s %n\\n' -- "$@" && echo && printf '%s\\0' "$@" | { ${hashFiles}; }`,
      [work.path, ...names],
    );
    const [sizes = '', digests = ''] = output.split('\n\n');
    const sizeOf = new Map(
      sizes.split('\n').map((line) => [line.slice(line.indexOf(' ') + 1), Number.parseInt(line, 10)]),
    );
    return parseDigests(digests)
      .map(([name, sha256]) => ({name, sizeBytes: sizeOf.get(name) ?? 0, sha256}))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Moves the files of a work folder into the store and makes them findable, in this order, each by a rename. An
   * entry with the same fingerprint is replaced. Nothing waits for the disk: what a power failure leaves is noticed by
   * its digest, as any damage, and made again.
   */
  async publish(work: WorkFolder, files: readonly StoredFile[], entry: NewEntry): Promise<StoreEntry> {
    const complete: StoreEntry = {
      format: storeFormat,
      createdAt: new Date().toISOString(),
      ...entry,
      files: [...files],
    };
    const identities = await this.#host.run(
      `set -e
       work=$1 fingerprint=$2 json=$3; shift 3
       cd ${storeFolder}
       umask 022
       mkdir "../$work/.publish"
       for name; do mv -- "../$work/$name" "../$work/.publish/"; done
       # Files of a mapped folder belong to its owner, not to the container's root.
       chown -R --reference=.. "../$work/.publish"
       # By way of cat, because the shell's own printf does not say when the volume is full.
       printf '%s' "$json" | cat >"../$work/.index"
       chown --reference=.. "../$work/.index"
       rm -rf -- "index/$fingerprint.json" "entries/$fingerprint"
       # A sweep takes an entry folder without an index file for left over once it is a minute old.
       touch "../$work/.publish"
       mv -T -- "../$work/.publish" "entries/$fingerprint"
       mv -T -- "../$work/.index" "index/$fingerprint.json"
       rm -rf -- "../$work"
       [ $# -eq 0 ] || { cd "entries/$fingerprint" && ${printIdentities} "$@"; }`,
      [work.path, entry.fingerprint, JSON.stringify(complete), ...files.map((file) => file.name)],
    );
    this.#learn(complete, identities);
    (this.#entries ??= new Map()).set(entry.fingerprint, complete);
    return complete;
  }

  /**
   * Takes over an entry from elsewhere.
   *
   * @param work Its id, as for {@link openWork}.
   * @returns undefined when what has arrived is not what the entry says; nothing of it is kept then.
   */
  async admit(
    {entry, reader, unpackedFrom, from}: ForeignEntry,
    work: string,
  ): Promise<StoreEntry | undefined> {
    const folder = await this.openWork(work);
    try {
      for (const {name} of entry.files) {
        if (!unpackedFrom.has(name)) await this.#receive(folder, entry, name, reader);
      }
      for (const [name, packed] of unpackedFrom) {
        await this.#host.run('cd "$1" && { zstd -dqf --sparse -o "$3" -- "$2" || : >"$3"; }', [
          folder.path,
          packed,
          name,
        ]);
      }
      const files = await this.measureWork(
        folder,
        entry.files.map(({name}) => name),
      );
      const wanted = new Map(entry.files.map(({name, sha256}) => [name, sha256]));
      if (files.length !== wanted.size || files.some(({name, sha256}) => wanted.get(name) !== sha256))
        return undefined;
      const {step, fingerprint, inputs, durationMs, createdAt} = entry;
      return await this.publish(folder, files, {
        step,
        fingerprint,
        inputs,
        durationMs,
        createdAt,
        origin: from,
      });
    } finally {
      await this.discardWork(folder).catch(() => undefined);
    }
  }

  /** Writes a file that is read elsewhere, with its holes. */
  async #receive(work: WorkFolder, entry: StoreEntry, name: string, reader: EntryReader): Promise<void> {
    const pipe = new PassThrough({highWaterMark: 1024 ** 2});
    const reading = reader
      .readFile(entry, name, async (chunk) => {
        if (!pipe.write(chunk)) await drained(pipe);
      })
      .then(
        () => pipe.end(),
        (error: unknown) => {
          pipe.destroy(error as Error);
          throw error;
        },
      );
    const writing = this.#host
      .runWithInput('exec perl -e "$1" -- "$2"', [writeRecords, `${work.path}/${name}`], pipe)
      // Whoever reads would wait for ever.
      .finally(() => pipe.destroy());
    // The reader knows better why it went wrong.
    const [read, written] = await Promise.allSettled([reading, writing]);
    if (read.status === 'rejected') throw read.reason;
    if (written.status === 'rejected') throw written.reason;
  }

  /** Removes entries. The index goes first: what is half removed must not be found. */
  async remove(fingerprints: readonly string[]): Promise<void> {
    await this.#host.run(
      `cd ${storeFolder} 2>/dev/null || exit 0
       for f; do rm -f -- "index/$f.json" && rm -rf -- "entries/$f"; done`,
      fingerprints,
    );
    for (const fingerprint of fingerprints) this.#entries?.delete(fingerprint);
  }

  /** Removes everything of ours from the volume, nothing else. */
  async destroy(): Promise<void> {
    await this.#host.run(`rm -rf -- ${storeFolder}`, []);
    this.#entries = undefined;
  }

  /** Names of the work folders of all runs. */
  async workFolders(): Promise<readonly string[]> {
    const output = await this.#host.run(`ls -A ${storeFolder}/work 2>/dev/null || true`, []);
    return output.split('\n').filter(Boolean);
  }

  /**
   * Removes what killed runs left: work folders whose run is not among `liveRuns`, and entry folders without an index
   * file.
   *
   * @param among the work folders to judge. List them before the runs are: a run that starts in between is not known.
   */
  async sweep(liveRuns: readonly string[], among?: readonly string[]): Promise<void> {
    const judged = among ?? (await this.workFolders());
    await this.#host.run(
      `cd ${storeFolder} 2>/dev/null || exit 0
       live=" $1 "; shift
       for name; do
         case $live in *" \${name%%.*} "*) ;; *) rm -rf -- "work/$name" ;; esac
       done
       for entry in entries/*; do
         [ -d "$entry" ] || continue
         [ -e "index/\${entry#entries/}.json" ] || find "$entry" -maxdepth 0 -mmin +1 -exec rm -rf {} +
       done`,
      [liveRuns.join(' '), ...judged],
    );
  }

  /** Copies a file out: bytes in order, holes are not sent. See {@link SparseFileWriter} for the format. */
  async readFile(
    entry: StoreEntry,
    name: string,
    onChunk: (chunk: Buffer) => Promise<void> | void,
  ): Promise<void> {
    const path = `${this.pathOf(entry)}/${name}`;
    await using near = await openNearFile(this.#host, path);
    if (near === undefined) await this.#host.stream(['perl', sparseCat, path], onChunk);
    else await near.read(onChunk);
  }

  /** Whether `readFile` gets a file straight from the disk, without the engine in between. */
  async isNear(entry: StoreEntry, name: string): Promise<boolean> {
    await using near = await openNearFile(this.#host, `${this.pathOf(entry)}/${name}`);
    return near !== undefined;
  }

  async findKnown(entry: StoreEntry, name: string): Promise<KnownFile | undefined> {
    const path = `${this.pathOf(entry)}/${name}`;
    const identity = this.#known.get(path);
    return identity === undefined ? undefined : findNearFile(this.#host, path, identity);
  }

  #learn(entry: StoreEntry, identities: string, except: ReadonlySet<string> = new Set()): void {
    for (const [name, identity] of parseIdentities(identities)) {
      if (!except.has(name)) this.#known.set(`${this.pathOf(entry)}/${name}`, identity);
    }
  }

  /** A small text file of an entry. */
  async readText(entry: StoreEntry, name: string): Promise<string> {
    return this.#host.run('cat -- "$1"', [`${this.pathOf(entry)}/${name}`]);
  }
}

/** Writes what {@link formatRecord} describes from stdin to a file. */
const writeRecords = `use strict; use warnings;
my ($path) = @ARGV;
open(my $file, '>:raw', $path) or die "$path: $!\n";
binmode STDIN;
sub get {
    my ($wanted, $got) = (shift, '');
    while (length $got < $wanted) {
        my $count = sysread(STDIN, $got, $wanted - length $got, length $got);
        $count or die "$path: its content ended too early\n";
    }
    return $got;
}
while (1) {
    my ($offset, $left) = unpack('Q>Q>', get(16));
    if ($left == 0) { truncate($file, $offset) or die "$path: $!\n"; last }
    defined sysseek($file, $offset, 0) or die "$path: $!\n";
    while ($left > 0) {
        my $data = get($left < 1048576 ? $left : 1048576);
        for (my $at = 0; $at < length $data;) {
            $at += syswrite($file, $data, length($data) - $at, $at) // die "$path: $!\n";
        }
        $left -= length $data;
    }
}
close($file) or die "$path: $!\n";`;

/**
 * Prints the digest of each file that is named on stdin, in the format of sha256sum, several at a time. An image that
 * the user names may be older than the program that does not read holes.
 */
const hashFiles = `hash=/usr/lib/hypriotkit/sparse-sha256; [ -x "$hash" ] || hash=sha256sum
  xargs -0 -r -n 1 -P "$(nproc)" "$hash" --`;

/** Whether an error means that the volume has no room left. */
export function isStorageFull(error: unknown): boolean {
  return error instanceof VolumeScriptError && error.isStorageFull;
}

function parseEntry(content: Buffer): StoreEntry | undefined {
  try {
    return StoreEntry.parse(JSON.parse(content.toString('utf8')));
  } catch {
    return undefined;
  }
}

/** Lines of sha256sum: digest, two spaces, name. Names that it escapes (a leading backslash) cannot be ours. */
function parseDigests(output: string): [name: string, sha256: string][] {
  return output
    .split('\n')
    .filter((line) => /^[0-9a-f]{64} [ *]/.test(line))
    .map((line) => [line.slice(66), line.slice(0, 64)]);
}

/** Waits until a stream takes more, or is closed. */
function drained(stream: PassThrough): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done).off('close', done);
      resolve();
    };
    stream.on('drain', done).on('close', done);
  });
}
