import {spawn, type ChildProcess} from 'node:child_process';
import {fileURLToPath} from 'node:url';
import type {PipelineEvent} from '../../api/index.ts';
import {until} from './engine.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface ProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** hypriotkit, or a part of it, as a process of its own. */
export class ChildRun {
  readonly #child: ChildProcess;
  readonly exited: Promise<Exit>;
  #stdout = '';
  #stderr = '';

  /** @param script path of a TypeScript file, relative to the checkout. */
  constructor(script: string, argv: readonly string[], options: ProcessOptions = {}) {
    const {env, ...rest} = options;
    this.#child = spawn(
      process.execPath,
      ['--import', `${root}node_modules/tsx/dist/loader.mjs`, root + script, ...argv],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {...scrubbedEnvironment(), ...env},
        ...rest,
      },
    );
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.exited = new Promise((resolve, reject) => {
      this.#child.once('error', reject).once('close', (code, signal) => {
        resolve({code, signal, stdout: this.#stdout, stderr: this.#stderr});
      });
    });
  }

  /** The JSON lines that it has printed until now. */
  get events(): readonly PipelineEvent[] {
    const lines = this.#stdout.split('\n').slice(0, -1);
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as PipelineEvent);
  }

  /** Waits until it prints an event of that kind; fails at once when it ends without. */
  async event(what: string, matches: (event: PipelineEvent) => boolean): Promise<void> {
    await until(
      what,
      () => {
        if (this.events.some(matches)) return true;
        if (this.#child.exitCode === null && this.#child.signalCode === null) return undefined;
        throw new Error(`it ended without "${what}":\n${this.#stdout}${this.#stderr}`);
      },
      120,
    );
  }

  /** Waits until a step says that it is doing something. */
  async progress(message: string | RegExp): Promise<void> {
    await this.event(
      String(message),
      (event) => event.type === 'step-progress' && event.message.search(message) === 0,
    );
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

/** Runs the command line and waits for its end. */
export function runCli(argv: readonly string[], options?: ProcessOptions): Promise<Exit> {
  return startCli(argv, options).exited;
}

/** Starts the command line. */
export function startCli(argv: readonly string[], options?: ProcessOptions): ChildRun {
  return new ChildRun('cli/main.ts', argv, options);
}

/** Nothing of the test runner, of colours or of a CI: only what finds programs and the engine. */
function scrubbedEnvironment(): Record<string, string> {
  const kept = /^(PATH|HOME|TMPDIR|XDG_RUNTIME_DIR|DOCKER_.*)$/;
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value !== undefined && kept.test(name) ? [[name, value]] : [],
    ),
  );
}
