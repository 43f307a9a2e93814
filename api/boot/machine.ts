import type {DockerContainer} from '../docker/containers.ts';
import type {EngineSession} from '../engine/session.ts';
import {PipelineError} from '../errors.ts';
import type {PipelineEvent} from '../events/event.ts';
import type {BootAssertion, BootOptions, BootResult} from '../options.ts';
import {check, type Assertion} from './assertions.ts';
import {bootOutput, bootStep} from './boot-events.ts';
import type {LocatedImage} from './find-image.ts';
import {ConsoleError, SerialConsole} from './serial-console.ts';
import {SerialShell} from './shell.ts';

/** A first boot took 200 to 600 seconds to its login prompt on two busy cores. */
const defaultTimeoutSeconds = 900;

/** The emulated board's 1 GiB, and qemu itself. */
const memoryBytes = 2 * 1024 ** 3;

/** One emulated board with one copy of the card, from the first power-on to the last assertion. */
export class Machine {
  readonly #session: EngineSession;
  readonly #image: LocatedImage;
  readonly #emulator: string;
  readonly #options: BootOptions;
  readonly #credentials: {username: string; password: string};
  readonly #emit: (event: PipelineEvent) => void;

  constructor(
    session: EngineSession,
    image: LocatedImage,
    emulator: string,
    options: BootOptions,
    credentials: {username: string; password: string},
    emit: (event: PipelineEvent) => void,
  ) {
    this.#session = session;
    this.#image = image;
    this.#emulator = emulator;
    this.#options = options;
    this.#credentials = credentials;
    this.#emit = emit;
  }

  /** Boots, checks and restarts, as often as the options say. */
  async run(assertions: readonly Assertion[]): Promise<BootResult> {
    const boots = this.#options.boots ?? 1;
    const view = await this.#session.createView(this.#image.folder);
    await using container = await this.#create(view, boots);
    const {input, output} = await container.attachConsole();
    this.#session.hold(input);
    const console = new SerialConsole(output, input, (line) => {
      this.#options.onConsole?.(line);
      this.#emit(bootOutput(line));
    });
    const loginSeconds: number[] = [];
    const results: BootAssertion[] = [];
    let startedMs = Date.now();
    await container.start();
    try {
      for (let boot = 1; boot <= boots; boot++) {
        this.#progress(boot === 1 ? 'booting' : `boot ${boot}: restarting with the same card`);
        const {shell, promptMs} = await this.#login(console);
        loginSeconds.push((promptMs - startedMs) / 1000);
        results.push(...(await this.#check(shell, assertions, boot, results)));
        if (boot === boots) break;
        startedMs = Date.now();
        shell.leave('sudo -n systemctl reboot');
      }
      await this.#options.attach?.(console.open());
    } catch (error) {
      if (!(error instanceof ConsoleError)) throw error;
      throw this.#bootFailed(error, console);
    }
    return {
      image: this.#image.label,
      loginSeconds: loginSeconds[0] ?? 0,
      boots: loginSeconds.map((seconds) => ({loginSeconds: seconds})),
      assertions: results,
      passed: results.every(({passed}) => passed),
    };
  }

  async #login(console: SerialConsole): Promise<{shell: SerialShell; promptMs: number}> {
    const {signal} = this.#options;
    const timeoutSeconds = this.#options.timeoutSeconds ?? defaultTimeoutSeconds;
    await console.waitFor(/ login: ?$/m, timeoutSeconds * 1000, signal);
    const promptMs = Date.now();
    this.#progress('logging in');
    const {username, password} = this.#credentials;
    return {shell: await SerialShell.login(console, username, password, signal), promptMs};
  }

  async #check(
    shell: SerialShell,
    assertions: readonly Assertion[],
    boot: number,
    before: readonly BootAssertion[],
  ): Promise<BootAssertion[]> {
    const results: BootAssertion[] = [];
    for (const assertion of assertions) {
      if (assertion.when === 'later' && boot === 1) continue;
      const name = boot === 1 ? assertion.name : `boot ${boot}: ${assertion.name}`;
      this.#progress(`checking: ${name}`);
      // The first boot's results come first.
      const first = before.find((result) => result.name === assertion.name);
      results.push({...(await check(shell, assertion, first?.output)), name});
    }
    return results;
  }

  async #create(view: string, boots: number): Promise<DockerContainer> {
    return this.#session.own(
      await this.#session.containers.create({
        image: this.#emulator,
        command: ['/builder/boot.sh', `/inputs/image/${this.#image.name}`],
        environment: {
          BOOTS: String(boots),
          DRIVE: this.#options.drive ?? 'sd',
          NETWORK: this.#options.network ?? 'none',
        },
        mounts: [{volume: view, target: '/inputs/image', readOnly: true}],
        network: 'none',
        stdin: true,
        memoryBytes,
        pids: 256,
        labels: this.#session.labels('boot'),
      }),
    );
  }

  #bootFailed(error: ConsoleError, console: SerialConsole): PipelineError {
    const tail = console.tail(20);
    return new PipelineError('BOOT_FAILED', `${this.#image.label} does not boot: ${error.message}`, {
      hint: `The last lines of its console:\n${tail.join('\n') || '(nothing)'}`,
      cause: error,
    });
  }

  #progress(message: string): void {
    this.#emit({type: 'step-progress', step: bootStep, message});
  }
}
