import type {Readable} from 'node:stream';

/**
 * What the store needs from where a volume lies: a shell in the volume's root folder, and views of single folders
 * for containers. Implemented by the engine; the store itself knows no Docker.
 */
export interface VolumeHost {
  /** How the user calls the volume: its name or path. */
  readonly label: string;

  /**
   * Runs a POSIX shell script with the volume's root folder as working directory; `args` are `$1`, `$2`, ….
   *
   * @returns what it printed to stdout.
   * @throws VolumeScriptError when it exits with another status than 0.
   */
  run(script: string, args: readonly string[]): Promise<string>;

  /** Writes a file; its folder must exist. Not atomic: for folders that nobody else reads yet. */
  writeFile(path: string, content: string): Promise<void>;

  /** Runs a program there and hands out its stdout as it comes. */
  stream(command: readonly string[], onChunk: (chunk: Buffer) => Promise<void> | void): Promise<void>;

  /** As `run`, with something to read on stdin. */
  runWithInput(script: string, args: readonly string[], input: AsyncIterable<Buffer>): Promise<string>;

  /** Small files of one folder, by name; empty when the folder does not exist. Needs no running container. */
  readFolder(path: string): Promise<ReadonlyMap<string, Buffer>>;

  /** Where the volume's root folder lies on the machine that has it; this may be another machine. */
  rootFolder?(): Promise<string | undefined>;
}

/** A volume that gives files of any size without an image to run anything with. */
export interface LargeFileHost extends VolumeHost {
  /** Reads one file; undefined when it does not exist. Needs no running container. */
  readFile<T>(path: string, read: (content: Readable) => Promise<T>): Promise<T | undefined>;
}

/** A script in the volume failed: a full disk, a damaged folder. */
export class VolumeScriptError extends Error {
  override readonly name = 'VolumeScriptError';
  readonly status: number;
  readonly stderr: string;

  constructor(status: number, stderr: string) {
    super(`exit status ${status}: ${stderr.trim()}`);
    this.status = status;
    this.stderr = stderr;
  }

  get isStorageFull(): boolean {
    return /No space left on device|Disk quota exceeded/.test(this.stderr);
  }
}
