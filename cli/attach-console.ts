import type {CliContext} from './context.ts';

/** Ctrl-], as telnet has it: no shell or editor in the machine uses it. */
const escapeKey = 0x1d;

/** Connects the terminal to the console of a machine until Ctrl-] is pressed or the input ends. */
export async function attachConsole(
  console: {readonly output: NodeJS.ReadableStream; readonly input: NodeJS.WritableStream},
  {stdin, stdout, stderr, interrupt}: CliContext,
): Promise<void> {
  stderr.write('the machine keeps running; Ctrl-] ends it\n');
  const decoder = new TextDecoder();
  const show = (chunk: Buffer | string): void => {
    stdout.write(typeof chunk === 'string' ? chunk : decoder.decode(chunk, {stream: true}));
  };
  console.output.on('data', show);
  // Raw, so that Ctrl-C and the arrow keys reach the machine and not this process.
  if (stdin.isTTY) stdin.setRawMode(true);
  try {
    await new Promise<void>((resolve) => {
      const end = (): void => {
        resolve();
      };
      stdin.on('data', (chunk: Buffer | string) => {
        const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
        const at = bytes.indexOf(escapeKey);
        console.input.write(at === -1 ? bytes : bytes.subarray(0, at));
        if (at !== -1) end();
      });
      stdin.once('end', end);
      console.output.once('end', end);
      interrupt.signal.addEventListener('abort', end, {once: true});
    });
  } finally {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.removeAllListeners('data');
    stdin.pause();
    console.output.off('data', show);
    stderr.write('\n');
  }
}
