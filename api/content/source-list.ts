/** What a source has turned out to be: a file, or the manifest of an image. */
export interface PinnedSource {
  readonly name: string;
  /** Hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** The list as a file has it: a line for each, sorted. */
export function renderSourceList(pins: readonly PinnedSource[]): string {
  return pins
    .map(({name, sha256, sizeBytes}) => `${name}\t${sha256}\t${sizeBytes}\n`)
    .sort()
    .join('');
}

export function parseSourceList(text: string): PinnedSource[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [name = '', sha256 = '', size] = line.split('\t');
      return {name, sha256, sizeBytes: Number(size)};
    });
}
