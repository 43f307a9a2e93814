import type {Readable} from 'node:stream';
import type {LargeFileHost} from './volume-host.ts';

/** Where the images lie in the volume of the packages. */
const imagesFolder = '.hypriotkit/packages/images';

/** A file that an image can be loaded from. */
export interface SavedImage {
  /** Digest that identifies the image in every engine. */
  readonly content: string;
  /** Hex SHA-256 of the file. */
  readonly sha256: string;
  /** Of the file, in bytes. */
  readonly size: number;
}

/**
 * Keeps images with tools beside the packages, so that a lock can be built from on an engine that has none.
 *
 * Layout: `<content>.<sha256>.tar.gz`, as the engine saves an image. A file gets its name by a rename when it is
 * complete; whoever reads it checks it.
 */
export class ImageCache {
  readonly #host: LargeFileHost;

  constructor(host: LargeFileHost) {
    this.#host = host;
  }

  get label(): string {
    return this.#host.label;
  }

  /** The intact file of an image. Damaged ones are removed. */
  async find(content: string): Promise<SavedImage | undefined> {
    const output = await this.#host.run(
      `cd ${imagesFolder} 2>/dev/null || exit 0
       for file in "$1".*.tar.gz; do
         [ -f "$file" ] || continue
         sum=\${file#*.} sum=\${sum%.tar.gz}
         if [ "$(sha256sum <"$file")" = "$sum  -" ]; then echo "$sum $(stat -c %s "$file")"; exit; fi
         rm -f -- "$file"
       done`,
      [content],
    );
    const [sha256 = '', size] = output.trim().split(' ');
    return sha256 === '' ? undefined : {content, sha256, size: Number(size)};
  }

  /**
   * Keeps an image.
   *
   * @param run Id of the run: what it leaves when it is killed is removed by its name.
   * @param tar The image as the engine saves it.
   */
  async save(content: string, run: string, tar: AsyncIterable<Buffer>): Promise<SavedImage> {
    const output = await this.#host.runWithInput(
      `set -e
       mkdir -p ${imagesFolder} && cd ${imagesFolder}
       umask 022
       trap 'rm -f -- "incoming-$2"' EXIT
       pigz --fast --no-name >"incoming-$2"
       sum=$(sha256sum <"incoming-$2") && sum=\${sum%% *}
       chown --reference=../../.. . "incoming-$2"
       stat -c "$sum %s" "incoming-$2"
       mv -fT -- "incoming-$2" "$1.$sum.tar.gz"`,
      [content, run],
      tar,
    );
    const [sha256 = '', size] = output.trim().split(' ');
    return {content, sha256, size: Number(size)};
  }

  /**
   * Reads the file of an image, packed by gzip. Works on an engine that has no image to run anything with.
   *
   * @returns undefined when there is none.
   */
  open<T>(
    {content, sha256}: Pick<SavedImage, 'content' | 'sha256'>,
    read: (file: Readable) => Promise<T>,
  ): Promise<T | undefined> {
    return this.#host.readFile(`${imagesFolder}/${content}.${sha256}.tar.gz`, read);
  }

  /** Removes what runs that are not among `liveRuns` were saving. List `among` before the runs are. */
  async sweep(liveRuns: readonly string[], among: readonly string[]): Promise<void> {
    const dead = among.filter((run) => !liveRuns.includes(run)).map((run) => `incoming-${run}`);
    if (dead.length > 0) await this.#host.run(`cd ${imagesFolder} && rm -f -- "$@"`, dead);
  }

  /** Ids of the runs that have begun to save an image, dead or alive. */
  async savingRuns(): Promise<readonly string[]> {
    const output = await this.#host.run(`ls -A ${imagesFolder} 2>/dev/null | sed -n 's/^incoming-//p'`, []);
    return output.split('\n').filter(Boolean);
  }
}
