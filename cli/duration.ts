const msPerUnit: ReadonlyMap<string, number> = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 7 * 86_400_000],
]);

/**
 * Milliseconds of a text such as `90m`, `12h`, `7d` or `2w`; undefined for anything else. The unit is required:
 * tools do not agree on what a bare number means, and a wrong guess removes a week's work.
 */
export function findDuration(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^([1-9][0-9]{0,9})([smhdw])$/.exec(text) ?? [];
  const ms = Number(digits) * (msPerUnit.get(unit) ?? Number.NaN);
  return Number.isSafeInteger(ms) ? ms : undefined;
}
