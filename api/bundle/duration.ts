const secondsPerUnit: Readonly<Record<string, number>> = {ms: 0.001, s: 1, m: 60, h: 3600};

/** Seconds of a duration such as `10m`, `90s` or `1h30m`; undefined for anything else, and for no time at all. */
export function findSeconds(text: string): number | undefined {
  if (!/^(?:\d{1,9}(?:ms|s|m|h))+$/.test(text)) return undefined;
  let seconds = 0;
  for (const [, digits = '', unit = ''] of text.matchAll(/(\d+)(ms|s|m|h)/g)) {
    seconds += Number(digits) * (secondsPerUnit[unit] ?? 0);
  }
  return seconds > 0 ? seconds : undefined;
}
