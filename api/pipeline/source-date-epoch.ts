import {PipelineError} from '../errors.ts';

/** FAT begins in 1980 and the ZIP format with it; ext4 with 32-bit times would end in 2038, ours goes on to FAT's end. */
const [firstSecond, lastSecond] = [315_532_800, 4_354_819_199];

/**
 * Reads `SOURCE_DATE_EPOCH` (reproducible-builds.org): seconds since 1970.
 *
 * @returns undefined when it is not set: the date of the package archive then rules.
 * @throws PipelineError `USAGE` when it is no date that the file systems in an image can hold.
 */
export function sourceDateEpoch(env: Readonly<Record<string, string | undefined>>): number | undefined {
  const text = env['SOURCE_DATE_EPOCH'];
  if (text === undefined || text === '') return undefined;
  const seconds = Number(text);
  if (!/^\d+$/.test(text) || !isEpoch(seconds)) {
    throw new PipelineError('USAGE', `SOURCE_DATE_EPOCH ${range}, not "${text}"`, {
      hint: 'date +%s prints such a number; leave it unset to use the date of the package archive.',
    });
  }
  return seconds;
}

/**
 * The same from the option of a call, which comes before the variable.
 *
 * @throws PipelineError `USAGE`.
 */
export function epochFromUser(
  seconds: number | undefined,
  env: Readonly<Record<string, string | undefined>> = process.env,
): number | undefined {
  if (seconds === undefined) return sourceDateEpoch(env);
  if (isEpoch(seconds)) return seconds;
  throw new PipelineError('USAGE', `sourceDateEpoch ${range}, not ${seconds}`, {
    hint: 'Math.floor(date.getTime() / 1000) gives such a number for a Date.',
  });
}

const range = 'must be whole seconds since 1970, between 1980 and 2107';

function isEpoch(seconds: number): boolean {
  return Number.isInteger(seconds) && seconds >= firstSecond && seconds <= lastSecond;
}
