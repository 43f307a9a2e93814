import {PipelineError} from '../errors.ts';

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
  // FAT begins in 1980 and the ZIP format with it; ext4 with 32-bit times would end in 2038, ours goes on.
  if (!/^\d+$/.test(text) || seconds < 315_532_800 || seconds > 4_354_819_199) {
    throw new PipelineError(
      'USAGE',
      `SOURCE_DATE_EPOCH must be seconds since 1970, between 1980 and 2107, not "${text}"`,
      {
        hint: 'date +%s prints such a number; leave it unset to use the date of the package archive.',
      },
    );
  }
  return seconds;
}
