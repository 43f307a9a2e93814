import {createInterface} from 'node:readline/promises';
import {PipelineError} from '../api/errors.ts';
import type {CliContext} from './context.ts';

/**
 * Asks a yes-or-no question on stderr; anything but yes is no.
 *
 * @throws PipelineError `USAGE` where nobody can answer.
 */
export async function confirm(question: string, context: CliContext): Promise<boolean> {
  const {stdin, stderr, interrupt} = context;
  if (!stdin.isTTY || !stderr.isTTY) {
    throw new PipelineError('USAGE', 'there is no terminal to ask on', {
      hint: 'Add --yes to go on without a question.',
    });
  }
  const prompt = createInterface({input: stdin, output: process.stderr});
  // readline takes Ctrl-C for itself as long as it reads.
  prompt.on('SIGINT', () => {
    interrupt.stop();
  });
  try {
    const answer = await prompt.question(`${question} [y/N] `, {signal: interrupt.signal});
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    prompt.close();
  }
}
