import {Chalk} from 'chalk';
import {spawn} from 'node:child_process';
import {fileURLToPath} from 'node:url';
import {createContext, type Api, type CliContext} from '../../../cli/context.ts';
import {ExitCode} from '../../../cli/exit-code.ts';
import {Interrupt, type SignalSource} from '../../../cli/interrupt.ts';
import {runCli} from '../../../cli/run-cli.ts';
import {Collected} from './terminal.ts';

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
}

/** Signals that a test sends, and what came of them. */
export class FakeProcess implements SignalSource {
  readonly exits: number[] = [];
  readonly #listeners = new Map<NodeJS.Signals, Set<() => void>>();

  get listenerCount(): number {
    return [...this.#listeners.values()].reduce((sum, {size}) => sum + size, 0);
  }

  on(signal: NodeJS.Signals, listener: () => void): void {
    this.#listeners.set(signal, (this.#listeners.get(signal) ?? new Set()).add(listener));
  }

  off(signal: NodeJS.Signals, listener: () => void): void {
    this.#listeners.get(signal)?.delete(listener);
  }

  exit(code: number): void {
    this.exits.push(code);
  }

  send(signal: NodeJS.Signals): void {
    for (const listener of this.#listeners.get(signal) ?? []) listener();
  }
}

/** Runs a command line in this process with a library that the test plays. */
export async function runWith(
  api: Partial<Api>,
  argv: readonly string[],
  overrides: Partial<CliContext> = {},
): Promise<CommandResult> {
  const stdout = new Collected();
  const stderr = new Collected();
  let exitCode: ExitCode = ExitCode.Done;
  const context = createContext({
    stdout,
    stderr,
    env: {},
    stdin: Object.assign(Object.create(null) as NodeJS.ReadStream, {isTTY: false}),
    interrupt: new Interrupt(new FakeProcess()),
    loadApi: () => Promise.resolve(api as Api),
    colors: () => Promise.resolve(new Chalk({level: 0})),
    setExitCode: (code) => {
      exitCode = code;
    },
    ...overrides,
  });
  await runCli(argv, context);
  return {stdout: stdout.text, stderr: stderr.text, exitCode};
}

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Runs the real command in a process of its own, from the sources and with an environment that says nothing. */
export function spawnCli(...argv: string[]): Promise<CommandResult> {
  const {PATH = '', HOME = ''} = process.env;
  const child = spawn(process.execPath, ['--import', 'tsx', 'cli/main.ts', ...argv], {
    cwd: root,
    env: {PATH, HOME},
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => {
      resolve({stdout, stderr, exitCode});
    });
  });
}
