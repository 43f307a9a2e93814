import {spawn} from 'node:child_process';
import {once} from 'node:events';

const longestMessage = 2000;

/**
 * What a program writes to its standard output; an error of the stream when it fails.
 *
 * @returns undefined when there is no such program.
 */
export async function readThroughProgram(
  program: string,
  args: readonly string[],
): Promise<AsyncIterable<Buffer> | undefined> {
  const child = spawn(program, args, {stdio: ['ignore', 'pipe', 'pipe'], env: {...process.env, LC_ALL: 'C'}});
  try {
    await once(child, 'spawn');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(0, longestMessage);
  });
  const ended = once(child, 'close');
  async function* output(): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of child.stdout) yield chunk as Buffer;
      const [status] = (await ended) as [number | null];
      if (status !== 0)
        throw new Error(complaint.trim() || `${program} ended with status ${status ?? 'none'}`);
    } finally {
      child.kill();
    }
  }
  return output();
}
