import type {VolumeHost} from './volume-host.ts';

/** Where the packages lie in their volume. */
const cacheFolder = '.hypriotkit/packages';

/** What the cache needs to know of a package. */
export interface CachedPackage {
  /** Hex SHA-256 of the .deb. */
  readonly sha256: string;
}

/**
 * Keeps packages in a volume under the digest of their content, so that what a lock names can be had when no mirror
 * has it any more. Shared by every run and every artifact volume of an engine.
 *
 * Layout below `.hypriotkit/packages/`: `sha256/<digest>.deb`, and `incoming/<run>.<id>/` for downloads. A file comes
 * to `sha256/` by a rename, after its digest has been checked; it is checked again before it is used. The file `lock` is
 * held while a file of `sha256/` is replaced or removed.
 */
export class PackageCache {
  readonly #host: VolumeHost;

  constructor(host: VolumeHost) {
    this.#host = host;
  }

  get label(): string {
    return this.#host.label;
  }

  /** Folder of the packages, relative to the volume's root. */
  get path(): string {
    return `${cacheFolder}/sha256`;
  }

  /**
   * Reads every byte of the named packages.
   *
   * @returns digests of those that are not there, and of those that were there with another content; these are
   *   removed.
   */
  async check(
    packages: readonly CachedPackage[],
  ): Promise<{readonly missing: readonly string[]; readonly damaged: readonly string[]}> {
    const wanted = [...new Set(packages.map(({sha256}) => sha256))];
    const output = await this.#host.run(
      `mkdir -p ${this.path} && cd ${this.path} || exit
       for sum; do
         if [ -f "$sum.deb" ]; then printf '%s  %s\\n' "$sum" "$sum.deb"; else echo "missing $sum" >&3; fi
       done 3>&1 >/tmp/.check.$$
       sha256sum --check --quiet /tmp/.check.$$ 2>/dev/null | sed -n 's/^\\([0-9a-f]*\\)\\.deb: .*/\\1/p' |
         while read -r sum; do
           # Another run may have replaced it since it was read: what is removed is what is damaged now.
           ( flock 9
             [ "$(sha256sum <"$sum.deb")" = "$sum  -" ] && exit
             rm -f -- "$sum.deb"; echo "damaged $sum" ) 9>>../lock
         done
       rm -f /tmp/.check.$$`,
      wanted,
    );
    const lines = output.split('\n');
    const damaged = digestsAfter('damaged ', lines);
    return {missing: [...digestsAfter('missing ', lines), ...damaged], damaged};
  }

  /** Makes the folder of a cache that steps write to, beside the packages. */
  async openCache(name: string): Promise<string> {
    const path = `${cacheFolder}/caches/${name}`;
    await this.#host.run('mkdir -p -m 0755 "$1"', [path]);
    return path;
  }

  /** Makes an empty folder for downloads. */
  async openIncoming(id: string): Promise<string> {
    const path = `${cacheFolder}/incoming/${id}`;
    await this.#host.run('mkdir -p -m 0755 "$1"', [path]);
    return path;
  }

  /** Puts a small file beside the downloads. */
  async writeIncoming(folder: string, name: string, content: string): Promise<void> {
    await this.#host.writeFile(`${folder}/${name}`, content);
  }

  /** Takes over the downloads `<digest>.deb` whose content is what their name says. Others are left behind. */
  async admit(folder: string, packages: readonly CachedPackage[]): Promise<void> {
    await this.#host.run(
      `cd "$1" && shift || exit
       for sum; do
         [ -f "$sum.deb" ] && [ "$(sha256sum <"$sum.deb")" = "$sum  -" ] || continue
         # Of two runs that download the same, both are right.
         chmod 0644 "$sum.deb" && chown --reference=../../../.. "$sum.deb" &&
           flock ../../lock mv -fT -- "$sum.deb" "../../sha256/$sum.deb"
       done`,
      [folder, ...packages.map(({sha256}) => sha256)],
    );
  }

  async discardIncoming(folder: string): Promise<void> {
    await this.#host.run('rm -rf -- "$1"', [folder]);
  }

  /** Names of the folders with downloads, of whichever run. */
  async incomingFolders(): Promise<readonly string[]> {
    const output = await this.#host.run(`ls -A ${cacheFolder}/incoming 2>/dev/null || true`, []);
    return output.split('\n').filter(Boolean);
  }

  /**
   * Removes the downloads of runs that are not among `liveRuns`.
   *
   * @param among the folders to judge. List them before the runs are: a run that starts in between is not known.
   */
  async sweep(liveRuns: readonly string[], among: readonly string[]): Promise<void> {
    const dead = among.filter((folder) => !liveRuns.includes(folder.replace(/\..*/, '')));
    if (dead.length > 0) await this.#host.run(`cd ${cacheFolder}/incoming && rm -rf -- "$@"`, dead);
  }
}

function digestsAfter(prefix: string, lines: readonly string[]): string[] {
  return lines.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length));
}
