import {execFile} from 'node:child_process';

/** How a program ended. */
export interface ProgramResult {
  /** `ENOENT` when there is no such program; else its exit status. */
  readonly status: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunProgramOptions {
  /** Besides the variables of this process. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Folder that it runs in. */
  readonly cwd?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Runs a small program of the system to its end. */
export function runProgram(
  program: string,
  args: readonly string[],
  {env: variables, cwd, signal}: RunProgramOptions = {},
): Promise<ProgramResult> {
  // What it says is matched here and there: it must not be translated.
  const env = {
    ...process.env,
    ...variables,
    LC_ALL: 'C',
    PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
  };
  const options = {
    env,
    maxBuffer: 64 * 1024 * 1024,
    ...(cwd !== undefined && {cwd}),
    ...(signal && {signal}),
  };
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      resolve({status: error === null ? 0 : (error.code ?? 1), stdout, stderr});
    });
  });
}
