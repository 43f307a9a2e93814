import {mkdir, readFile, rename, stat, writeFile} from 'node:fs/promises';
import {homedir} from 'node:os';
import {dirname, join} from 'node:path';
import {z} from 'zod';

/** What the file system said of a file when its content was last known. Any change of the content changes `ctimeNs`. */
const Remembered = z.object({
  sha256: z.string(),
  inode: z.string(),
  sizeBytes: z.string(),
  mtimeNs: z.string(),
  ctimeNs: z.string(),
});

const Memory = z.record(z.string(), Remembered);

/** A change within this time of the last one could go unseen: file systems tick in steps of up to 10 ms. Who waits for it waits a little longer. */
export const settleMs = 25;
const settleNs = 20_000_000n;

/** Files that are remembered at most; the oldest are forgotten. */
const mostFiles = 1000;

/**
 * Remembers the digests of delivered files, as git's index does, so that an unchanged run need not read gigabytes to
 * find out that nothing changed. It lies in the user's cache folder and may be deleted at any time.
 */
export class DeliveryMemory {
  readonly #path: string;
  #files: Promise<Map<string, z.infer<typeof Remembered>>> | undefined;
  #changed = false;

  constructor(path = join(cacheFolder(), 'delivered.json')) {
    this.#path = path;
  }

  /** Digest of the file at an absolute path, if it has certainly not changed since it was remembered. */
  async recall(path: string): Promise<string | undefined> {
    const known = (await this.#load()).get(path);
    if (known === undefined) return undefined;
    const {sha256, ...identity} = known;
    const now = await identify(path);
    return now !== undefined && JSON.stringify(now.identity) === JSON.stringify(identity)
      ? sha256
      : undefined;
  }

  /** Takes note of a file before it is read; the function returned remembers it, if it has not changed meanwhile. */
  async observe(path: string): Promise<(sha256: string) => Promise<void>> {
    const before = await identify(path);
    return async (sha256) => {
      const now = await identify(path);
      const files = await this.#load();
      files.delete(path);
      // What changed a moment ago could change once more without a trace: it is read again next time.
      const isSettled = now !== undefined && now.ageNs > settleNs;
      if (isSettled && JSON.stringify(now.identity) === JSON.stringify(before?.identity)) {
        files.set(path, {sha256, ...now.identity});
      }
      this.#changed = true;
    };
  }

  /** Writes what has been remembered. Failing to is no harm: the next run then reads the files. */
  async save(): Promise<void> {
    if (!this.#changed) return;
    const files = [...(await this.#load())].slice(-mostFiles);
    const partial = `${this.#path}.${process.pid}`;
    try {
      await mkdir(dirname(this.#path), {recursive: true});
      await writeFile(partial, JSON.stringify(Object.fromEntries(files)));
      await rename(partial, this.#path);
    } catch {
      // A read-only home folder, as in many containers.
    }
  }

  #load(): Promise<Map<string, z.infer<typeof Remembered>>> {
    return (this.#files ??= readFile(this.#path, 'utf8')
      .then((text) => new Map(Object.entries(Memory.parse(JSON.parse(text)))))
      // Absent, damaged, or of another version: nothing is known.
      .catch(() => new Map()));
  }
}

async function identify(path: string) {
  try {
    const found = await stat(path, {bigint: true});
    const identity = {
      inode: `${found.dev}:${found.ino}`,
      sizeBytes: String(found.size),
      mtimeNs: String(found.mtimeNs),
      ctimeNs: String(found.ctimeNs),
    };
    return {identity, ageNs: BigInt(Date.now()) * 1_000_000n - found.ctimeNs};
  } catch {
    return undefined;
  }
}

function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'hypriotkit');
}
