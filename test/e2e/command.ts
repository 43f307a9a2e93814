import {spawn} from 'node:child_process';
import {fileURLToPath} from 'node:url';

/** Root folder of the checkout. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end with what a user's shell would give it, less what makes output depend on this run. */
export function run(
  command: string,
  args: readonly string[],
  options: {cwd?: string; env?: Record<string, string>} = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const env: NodeJS.ProcessEnv = {...process.env, NO_COLOR: '1', ...options.env};
    // Vitest's own settings would change how the program under test behaves.
    for (const name of ['NODE_ENV', 'VITEST', 'FORCE_COLOR', 'SOURCE_DATE_EPOCH']) {
      if (options.env?.[name] === undefined) Reflect.deleteProperty(env, name);
    }
    const child = spawn(command, args, {cwd: options.cwd ?? root, env, stdio: ['ignore', 'pipe', 'pipe']});
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (code) => resolve({status: code ?? -1, stdout, stderr}));
  });
}

/** Runs the product as its user does: through the launcher. */
export function hypriotkit(
  args: readonly string[],
  options: {cwd?: string; env?: Record<string, string>} = {},
): Promise<Finished> {
  return run(`${root}/hypriotkit`, args, options);
}
