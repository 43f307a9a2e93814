import type {CliContext} from '../../context.ts';

const mostShown = 5;

/** Tells what of a root file system is not in the image. */
export function reportDropped(
  context: CliContext,
  dropped: readonly {readonly path: string; readonly type: string}[],
): void {
  for (const {path, type} of dropped.slice(0, mostShown)) {
    context.stderr.write(`warning: ${path} is left out: an OTA image cannot hold a ${type}\n`);
  }
  const more = dropped.length - mostShown;
  if (more > 0) context.stderr.write(`warning: and ${more} more\n`);
}
