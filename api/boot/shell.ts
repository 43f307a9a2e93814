import {randomBytes} from 'node:crypto';
import {ConsoleError, type SerialConsole} from './serial-console.ts';

/** How long a login or one command may take on the slow emulated machine. */
const stepTimeoutMs = 300_000;

/** login(1) gives up after a minute (LOGIN_TIMEOUT), also when it is the machine that is slow. */
const loginAttempts = 5;

export interface CommandResult {
  readonly status: number;
  readonly output: string;
}

/** A shell of a logged-in user on a serial console. */
export class SerialShell {
  readonly #console: SerialConsole;
  readonly #signal: AbortSignal | undefined;
  /** In every mark, so that no command can print one by chance. */
  readonly #nonce = randomBytes(4).toString('hex');
  #count = 0;

  private constructor(console: SerialConsole, signal: AbortSignal | undefined) {
    this.#console = console;
    this.#signal = signal;
  }

  /**
   * Logs in at a login prompt that the console already shows.
   *
   * @throws ConsoleError when the user name or the password is refused.
   */
  static async login(
    console: SerialConsole,
    username: string,
    password: string,
    signal?: AbortSignal,
  ): Promise<SerialShell> {
    for (let attempt = 1; ; attempt++) {
      const answer = await enter(console, username, password, signal);
      if (answer === 'Login incorrect') throw new ConsoleError(`the login of "${username}" was refused`);
      if (answer.endsWith('$ ') || answer.endsWith('# ')) break;
      if (attempt === loginAttempts) throw new ConsoleError(`the login of "${username}" takes too long`);
      await console.waitFor(/ login: ?$/m, stepTimeoutMs, signal);
    }
    const shell = new SerialShell(console, signal);
    // A plain shell without line editing, echo and prompt: only what commands print is left. Each line is typed at a
    // prompt, because the slow machine loses what is typed while it starts a program.
    // Quoted in two parts, so that the echo of this line is not taken for the prompt.
    console.send("exec env TERM=dumb PS1='hk-''shell ' PS2= sh\n");
    await console.waitFor(/hk-shell $/m, stepTimeoutMs, signal);
    console.send('stty -echo; PS1=\n');
    await shell.run('true');
    return shell;
  }

  /** Runs a command and returns what it printed, both streams as one. */
  async run(command: string, timeoutMs = stepTimeoutMs): Promise<CommandResult> {
    const id = `hk${this.#nonce}-${this.#count++}`;
    // The marks are put together by printf, so that an echo of the command is not taken for its result. The command
    // travels as an argument of eval: whatever it is, the mark behind it is reached.
    const quoted = `'${command.replaceAll("'", "'\\''")}'`;
    this.#console.send(
      `printf '%s-%s\\n' ${id} begin; (eval ${quoted}) </dev/null 2>&1; printf '\\n%s-%s-%s\\n' ${id} end "$?"\n`,
    );
    await this.#console.waitFor(new RegExp(`^${id}-begin\\r?\\n`, 'm'), timeoutMs, this.#signal);
    const [text, status] = await this.#console.waitFor(
      // With the end of its line: a serial line delivers a status of three digits in three pieces.
      new RegExp(`[^]*?${id}-end-(\\d+)\\r?\\n`),
      timeoutMs,
      this.#signal,
    );
    const output = text
      .slice(0, text.lastIndexOf(`${id}-end`))
      .replaceAll('\r', '')
      .trim();
    return {status: Number(status), output};
  }

  /** Types a command that ends the shell, and does not wait for it. */
  leave(command: string): void {
    this.#console.send(`${command}\n`);
  }
}

/** Types name and password, each when it is asked for; returns what tells how it went. */
async function enter(
  console: SerialConsole,
  username: string,
  password: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  console.send(`${username}\n`);
  const [question] = await console.waitFor(/[Pp]assword: ?$|timed out after/m, stepTimeoutMs, signal);
  if (question === 'timed out after') return question;
  console.send(`${password}\n`);
  const [answer] = await console.waitFor(/Login incorrect|timed out after|[$#] $/m, stepTimeoutMs, signal);
  return answer;
}
