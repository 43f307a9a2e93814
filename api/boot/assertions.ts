import {PipelineError} from '../errors.ts';
import type {BootAssertion} from '../options.ts';
import type {SerialShell} from './shell.ts';

/** Something that must hold in a booted system. */
export interface Assertion {
  readonly name: string;
  readonly command: string;
  /** Judges what the command printed; by default its exit status alone decides. */
  readonly expected?: string;
  /** What the command prints must be the same after every restart. */
  readonly unchanged?: boolean;
  /** `later`: only after a restart. */
  readonly when?: 'later';
  readonly timeoutMs?: number;
}

/** A terminal takes no longer line than 4095 bytes (Linux, N_TTY_BUF_SIZE); what `SerialShell` puts around a command needs some. */
const longestCommand = 3500;

/**
 * The assertion of a user: a command that must exit with 0.
 *
 * @throws PipelineError `USAGE` for one that is too long to be typed.
 */
export function userAssertion(command: string): Assertion {
  if (Buffer.byteLength(command.replaceAll("'", "'\\''")) > longestCommand) {
    throw new PipelineError(
      'USAGE',
      `an assertion is longer than the ${longestCommand} bytes that can be typed at a console`,
      {
        hint: 'Put a script into the image and name that.',
      },
    );
  }
  return {name: command, command};
}

/** @param before What the same command printed at the first boot. */
export async function check(
  shell: SerialShell,
  assertion: Assertion,
  before?: string,
): Promise<BootAssertion> {
  const {status, output} = await shell.run(assertion.command, assertion.timeoutMs);
  const changed = assertion.unchanged === true && before !== undefined && output !== before;
  const passed =
    status === 0 && !changed && (assertion.expected === undefined || output === assertion.expected);
  return {name: assertion.name, passed, output: changed ? `before:\n${before}\nnow:\n${output}` : output};
}
