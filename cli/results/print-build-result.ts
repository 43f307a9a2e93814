import type {BuildResult} from '../../api/options.ts';
import type {CliContext} from '../context.ts';
import {formatBytes} from '../format.ts';

/**
 * The result of a build on stdout: the path of each delivered file, alone on its line for programs, behind its size on
 * a terminal.
 */
export async function printBuildResult(result: BuildResult, context: CliContext): Promise<void> {
  const {stdout, stderr} = context;
  if (result.variants !== undefined) {
    const {renderVariants} = await import('./render-variants.ts');
    const style = {colors: await context.colors('stderr'), symbols: context.symbols};
    stderr.write(`${renderVariants(result.variants, style).join('\n')}\n`);
  }
  if (result.delivered.length === 0) {
    stderr.write(`the artifacts are in the volume ${result.volume}; --target <folder> copies them out\n`);
    return;
  }
  if (stdout.isTTY) stdout.write('\n');
  for (const {path, sizeBytes, unchanged} of result.delivered) {
    const size = formatBytes(sizeBytes).padStart(10);
    stdout.write(stdout.isTTY ? `${size}  ${path}${unchanged ? ' (unchanged)' : ''}\n` : `${path}\n`);
  }
}
