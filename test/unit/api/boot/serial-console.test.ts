import {PassThrough} from 'node:stream';
import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {ConsoleError, SerialConsole} from '../../../../api/boot/serial-console.ts';

/** Lets everything happen that can happen now. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A machine that prints what the test says. */
class FakeMachine {
  readonly #output = new PassThrough();
  readonly #keyboard = new PassThrough();
  readonly lines: string[] = [];
  readonly console = new SerialConsole(this.#output, this.#keyboard, (line) => this.lines.push(line));

  async prints(text: string | Buffer): Promise<void> {
    this.#output.write(text);
    await settle();
  }

  stops(): void {
    this.#output.end();
  }

  breaks(): void {
    this.#output.destroy(new Error('connection lost'));
  }

  typed(): string {
    return (this.#keyboard.read() as Buffer | null)?.toString() ?? '';
  }
}

describe('waitFor', () => {
  it('finds what is there already', async () => {
    const machine = new FakeMachine();
    await machine.prints('Debian\r\nblack-pearl login: ');
    expect((await machine.console.waitFor(/(\S+) login: ?$/m, 1000))[1]).toBe('black-pearl');
  });

  it('finds what comes in pieces', async () => {
    const machine = new FakeMachine();
    const found = machine.console.waitFor(/login: $/, 5000);
    for (const piece of ['black', '-pearl lo', 'gin', ': ']) await machine.prints(piece);
    await expect(found).resolves.toBeDefined();
  });

  it('finds what comes in any pieces of bytes', async () => {
    const text = 'ahoy 🏴‍☠️ ende';
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(Buffer.byteLength(text)), {maxLength: 5}), async (at) => {
        const bytes = Buffer.from(text);
        const places = [0, ...at.toSorted((a, b) => a - b), bytes.length];
        const machine = new FakeMachine();
        const found = machine.console.waitFor(/ahoy (.*) ende/, 5000);
        for (const [i, end] of places.slice(1).entries())
          await machine.prints(bytes.subarray(places[i], end));
        expect((await found)[1]).toBe('🏴‍☠️');
      }),
      {numRuns: 30},
    );
  });

  it('does not find the same text twice', async () => {
    const machine = new FakeMachine();
    await machine.prints('login: ');
    await machine.console.waitFor(/login: /, 1000);
    await expect(machine.console.waitFor(/login: /, 50)).rejects.toThrow(ConsoleError);
    await machine.prints('login: ');
    await expect(machine.console.waitFor(/login: /, 1000)).resolves.toBeDefined();
  });

  it('gives up after the time that it was given, and says what it waited for', async () => {
    const machine = new FakeMachine();
    await machine.prints('booting');
    await expect(machine.console.waitFor(/login:/, 60)).rejects.toThrow(
      expect.objectContaining({name: 'ConsoleError', message: 'nothing like /login:/ within 0 s'}) as Error,
    );
  });

  it.each([
    [
      '[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n',
      'Kernel panic - not syncing: VFS: Unable to mount root fs',
    ],
    ['x\r\n::error EMULATOR_FAILED qemu cannot start\r\n', 'qemu cannot start'],
    [
      'You are in emergency mode. After logging in, type "journalctl -xb"\r\n',
      'You are in emergency mode. After logging in, type "journalctl -xb"',
    ],
  ])('does not wait after %j', async (text, message) => {
    const machine = new FakeMachine();
    const found = machine.console.waitFor(/login:/, 60_000);
    void machine.prints(text);
    await expect(found).rejects.toThrow(expect.objectContaining({name: 'ConsoleError', message}) as Error);
  });

  it('does not take an error in the middle of a line for one of the emulator', async () => {
    const machine = new FakeMachine();
    await machine.prints('echo ::error A b\r\nlogin: ');
    await expect(machine.console.waitFor(/login:/, 1000)).resolves.toBeDefined();
  });

  it('prefers what it waits for to what went wrong before it', async () => {
    const machine = new FakeMachine();
    await machine.prints('You are in emergency mode\r\nlogin: ');
    await expect(machine.console.waitFor(/login:/, 1000)).resolves.toBeDefined();
  });

  it.each(['stops', 'breaks'] as const)('ends when the machine %s', async (how) => {
    const machine = new FakeMachine();
    const found = machine.console.waitFor(/login:/, 60_000);
    await machine.prints('booting');
    machine[how]();
    await expect(found).rejects.toThrow('the machine stopped');
  });

  it('finds what the machine said before it stopped', async () => {
    const machine = new FakeMachine();
    await machine.prints('login: ');
    machine.stops();
    await settle();
    await expect(machine.console.waitFor(/login:/, 1000)).resolves.toBeDefined();
  });

  it('stops when the user does', async () => {
    const machine = new FakeMachine();
    const controller = new AbortController();
    const found = machine.console.waitFor(/login:/, 60_000, controller.signal);
    controller.abort();
    await expect(found).rejects.toThrow(expect.objectContaining({name: 'AbortError'}) as Error);
  });

  it('keeps up with a machine that prints 20 MB, and forgets', async () => {
    const machine = new FakeMachine();
    const startedMs = Date.now();
    const found = machine.console.waitFor(/done\r\n$/, 60_000);
    for (let i = 0; i < 200; i++) await machine.prints(`${'x'.repeat(99)}\n`.repeat(1000));
    await machine.prints('done\r\n');
    await found;
    expect(Date.now() - startedMs).toBeLessThan(20_000);
    expect(machine.console.tail(1e6).join('\n').length).toBeLessThanOrEqual(64 * 1024);
  });
});

describe('what the console shows', () => {
  it('is handed out line by line without colours, control characters and empty lines', async () => {
    const machine = new FakeMachine();
    await machine.prints('\u001b[0;32m  OK  \u001b[0m Started \u001b[?25hdocker\r\n\r\n \r\nhalf');
    await machine.prints(' a line\r\nand \u001b(Bmore\u0007');
    expect(machine.lines).toEqual(['  OK   Started docker', 'half a line']);
    expect(machine.console.tail(2)).toEqual(['half a line', 'and more']);
    expect(machine.console.tail(1)).toEqual(['and more']);
  });

  it('is typed at', () => {
    const machine = new FakeMachine();
    machine.console.send('root\n');
    expect(machine.typed()).toBe('root\n');
  });

  it('can be taken over: from then on as it comes, with everything in it', async () => {
    const machine = new FakeMachine();
    await machine.prints('before');
    const {output, input} = machine.console.open();
    const shown: Buffer[] = [];
    output.on('data', (chunk: Buffer) => shown.push(chunk));
    await machine.prints('\u001b[1mafter\r\n');
    input.write('ls\n');
    expect(Buffer.concat(shown).toString()).toBe('\u001b[1mafter\r\n');
    expect(machine.typed()).toBe('ls\n');
    const ended = new Promise((resolve) => output.once('end', resolve));
    machine.stops();
    await ended;
  });
});
