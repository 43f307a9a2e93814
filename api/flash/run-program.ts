import {execFile} from 'node:child_process';

/** How a program ended. */
export interface ProgramResult {
  /** `ENOENT` when there is no such program; else its exit status. */
  readonly status: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a small program of the system to its end. */
export function runProgram(program: string, args: readonly string[]): Promise<ProgramResult> {
  // What it says is matched here and there: it must not be translated.
  const env = {...process.env, LC_ALL: 'C', PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`};
  return new Promise((resolve) => {
    execFile(program, args, {env, maxBuffer: 64 * 1024 * 1024}, (error, stdout, stderr) => {
      resolve({status: error === null ? 0 : (error.code ?? 1), stdout, stderr});
    });
  });
}
