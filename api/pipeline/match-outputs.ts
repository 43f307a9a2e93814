import type {Output} from '../components/step.ts';

/** Finds the file for each output; a pattern must match exactly one. */
export function matchOutputs(
  outputs: readonly Output[],
  present: readonly string[],
): {names: readonly string[]; missing: readonly string[]} {
  const names: string[] = [];
  const missing: string[] = [];
  for (const {name} of outputs) {
    const matches = present.filter((file) => matchesOutput(name, file));
    if (matches.length === 1) names.push(...matches);
    else missing.push(matches.length === 0 ? name : `exactly one ${name}`);
  }
  return {names, missing};
}

/** Whether a file is the output of that name or pattern. */
export function matchesOutput(pattern: string, file: string): boolean {
  const star = pattern.indexOf('*');
  if (star === -1) return file === pattern;
  const [start, end] = [pattern.slice(0, star), pattern.slice(star + 1)];
  return file.length >= start.length + end.length && file.startsWith(start) && file.endsWith(end);
}
