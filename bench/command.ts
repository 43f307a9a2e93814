import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {packageRoot} from '../configs/package-root.ts';
import type {PipelineEvent} from '../api/index.ts';

/**
 * Runs the installed command, as a user would.
 *
 * @param onEvent is told the events; the command gets `--json` then.
 * @returns the time from its start to its end, in seconds.
 * @throws Error when it ends with another status than 0.
 */
export async function runCommand(
  args: readonly string[],
  onEvent?: (event: PipelineEvent) => void,
): Promise<number> {
  const startedMs = Date.now();
  const child = spawn(join(packageRoot(), 'hypriotkit'), [...args, ...(onEvent ? ['--json'] : [])], {
    stdio: ['ignore', onEvent ? 'pipe' : 'ignore', 'inherit'],
  });
  const closed = once(child, 'close') as Promise<[number | null]>;
  if (child.stdout !== null && onEvent !== undefined) {
    for await (const line of createInterface({input: child.stdout})) {
      const value = JSON.parse(line) as PipelineEvent | {readonly type?: undefined};
      // The last line is the result.
      if (value.type !== undefined) onEvent(value);
    }
  }
  const [status] = await closed;
  if (status !== 0) throw new Error(`hypriotkit ${args.join(' ')} ended with exit status ${status}`);
  return (Date.now() - startedMs) / 1000;
}
