import {PipelineError} from '../errors.ts';
import type {BootAssertion} from '../options.ts';
import type {SerialShell} from './shell.ts';

/** Something that must hold in a booted system. */
export interface Assertion {
  readonly name: string;
  readonly command: string;
  /** Judges what the command printed; by default its exit status alone decides. */
  readonly expected?: string;
  readonly timeoutMs?: number;
}

/** What every image must pass. */
export function defaultAssertions(hostname: string): Assertion[] {
  return [
    // Waits until the system has started everything; its exit status also counts failed units, which come next.
    {
      name: 'all units have been started',
      command: 'systemctl is-system-running --wait | grep -x -e running -e degraded',
      timeoutMs: 600_000,
    },
    {
      name: 'no systemd unit has failed',
      command: 'systemctl --failed --no-legend --plain --no-pager',
      expected: '',
    },
    {name: 'the Docker engine is active', command: 'systemctl is-active docker', expected: 'active'},
    {name: `the host name is ${hostname}`, command: 'hostname', expected: hostname},
    {
      name: "the root file system is the card's second partition",
      command: 'findmnt -n -o SOURCE /',
      expected: '/dev/mmcblk0p2',
    },
  ];
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

export async function check(shell: SerialShell, assertion: Assertion): Promise<BootAssertion> {
  const {status, output} = await shell.run(assertion.command, assertion.timeoutMs);
  const passed = status === 0 && (assertion.expected === undefined || output === assertion.expected);
  return {name: assertion.name, passed, output};
}
