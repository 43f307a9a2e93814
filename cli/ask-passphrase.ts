import {createInterface} from 'node:readline/promises';
import {Writable} from 'node:stream';
import type {CliContext} from './context.ts';

/** Where scripts put the passphrase of a key. */
export const passphraseVariable = 'HYPRIOTKIT_KEY_PASSPHRASE';

/** The passphrase of a key: from the environment, else typed unseen on a terminal; undefined where there is neither. */
export async function askPassphrase(file: string, context: CliContext): Promise<string | undefined> {
  const fromEnvironment = context.env[passphraseVariable];
  if (fromEnvironment !== undefined) return fromEnvironment;
  const {stdin, stderr, interrupt} = context;
  if (!stdin.isTTY || !stderr.isTTY) return undefined;
  stderr.write(`passphrase of ${file}: `);
  const nowhere = new Writable({write: (_chunk, _encoding, done) => done()});
  const prompt = createInterface({input: stdin, output: nowhere, terminal: true});
  prompt.on('SIGINT', () => {
    interrupt.stop();
  });
  try {
    return await prompt.question('', {signal: interrupt.signal});
  } finally {
    prompt.close();
    stderr.write('\n');
  }
}
