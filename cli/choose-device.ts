import {createInterface} from 'node:readline/promises';
import type {BlockDevice} from '../api/flash/block-device.ts';
import {PipelineError} from '../api/errors.ts';
import type {CliContext} from './context.ts';
import {formatBytes} from './format.ts';
import {columns} from './text.ts';

/**
 * Asks which of the devices is meant; there is no default, not even where there is only one.
 *
 * @throws PipelineError `USAGE` where nobody can answer, or there is nothing to choose from.
 */
export async function chooseDevice(devices: readonly BlockDevice[], context: CliContext): Promise<string> {
  const cards = devices.filter(({isRemovable, refusal}) => isRemovable && refusal === undefined);
  if (cards.length === 0) {
    throw new PipelineError('USAGE', 'no card or stick is plugged in that could be written', {
      hint: 'Plug one in, or name a disk (hypriotkit flash IMAGE /dev/…); disks of the running system are never offered.',
    });
  }
  const {stdin, stderr, interrupt} = context;
  if (!stdin.isTTY || !stderr.isTTY) {
    throw new PipelineError('USAGE', 'no device is named', {
      hint: ['There is:', ...describeDevices(cards)].join('\n'),
    });
  }
  const lines = describeDevices(cards).map((line, index) => `  ${index + 1}  ${line}`);
  stderr.write(`${lines.join('\n')}\n`);
  const prompt = createInterface({input: stdin, output: process.stderr});
  prompt.on('SIGINT', () => {
    interrupt.stop();
  });
  try {
    const answer = (
      await prompt.question(`which one? [1-${cards.length}] `, {signal: interrupt.signal})
    ).trim();
    const chosen = cards.find(({path}, index) => answer === String(index + 1) || answer === path);
    if (chosen === undefined) throw new PipelineError('USAGE', 'none was chosen, and nothing was written');
    return chosen.path;
  } finally {
    prompt.close();
  }
}

/** One line for each device: path, size, model, what is on it. */
export function describeDevices(devices: readonly BlockDevice[]): string[] {
  return columns(
    devices.map(({path, sizeBytes, model = '', labels}) => [
      path,
      formatBytes(sizeBytes),
      model,
      labels.length === 0 ? '' : `with ${labels.join(', ')}`,
    ]),
    [1],
  );
}
