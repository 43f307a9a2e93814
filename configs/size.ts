/** Bytes in one MiB. */
export const MiB = 1024 ** 2;
/** Bytes in one GiB. */
export const GiB = 1024 ** 3;

/** What a size looks like: a whole number and its unit, nothing between them. */
export const sizePattern = /^[1-9][0-9]{0,14}(MiB|GiB|MB|GB)$/;

const bytesPerUnit: ReadonlyMap<string, number> = new Map([
  ['MiB', MiB],
  ['GiB', GiB],
  ['MB', 1000 ** 2],
  ['GB', 1000 ** 3],
]);

/**
 * The bytes that `text` stands for.
 *
 * The unit is required and case matters: what "512M" or "2g" means differs from tool to tool.
 *
 * @throws RangeError when `text` is not a size, or is one that a number cannot hold exactly.
 */
export function parseSize(text: string): number {
  const bytes = findSize(text);
  if (bytes === undefined) {
    throw new RangeError(
      `Expected a size such as "512MiB" or "2GiB" (units MiB, GiB, MB, GB), got ${JSON.stringify(text)}`,
    );
  }
  return bytes;
}

/** Like {@link parseSize}, but undefined for what is not a size. */
export function findSize(text: string): number | undefined {
  const unit = sizePattern.exec(text)?.[1];
  const bytes = Number.parseInt(text, 10) * (bytesPerUnit.get(unit ?? '') ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The shortest text that {@link parseSize} reads back as `bytes`, which must be whole MiB. */
export function formatSize(bytes: number): string {
  return bytes % GiB === 0 ? `${bytes / GiB}GiB` : `${bytes / MiB}MiB`;
}
