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

/** Whether a file is the output of that name or pattern; a `*` stands for any characters. */
export function matchesOutput(pattern: string, file: string): boolean {
  const [start = '', ...rest] = pattern.split('*');
  const end = rest.pop();
  if (end === undefined) return file === pattern;
  if (!file.startsWith(start)) return false;
  let position = start.length;
  for (const part of rest) {
    const found = file.indexOf(part, position);
    if (found === -1) return false;
    position = found + part.length;
  }
  return file.length >= position + end.length && file.endsWith(end);
}
