import {checkConfigLine, checkKernelArguments} from './check-fields.ts';

/** Arguments that may be there several times. */
const repeatable: ReadonlySet<string> = new Set(['console', 'earlycon', 'module_blacklist']);

/** Adds arguments to the one line of cmdline.txt; an argument of the same name gives way. */
export function addKernelArguments(cmdline: string, added: readonly string[]): string {
  let words = cmdline.split(/\s+/).filter((word) => word !== '');
  for (const text of added) {
    checkKernelArguments(text);
    for (const word of splitArguments(text)) {
      const name = word.split('=', 1)[0] ?? word;
      if (!repeatable.has(name)) words = words.filter((other) => other.split('=', 1)[0] !== name);
      if (!words.includes(word)) words.push(word);
    }
  }
  return `${words.join(' ')}\n`;
}

/** Adds lines to config.txt that are valid for every board, unless they start a section of their own. */
export function addConfigLines(config: string, added: readonly string[]): string {
  for (const line of added) checkConfigLine(line);
  const lines = config.replaceAll('\r\n', '\n').replace(/\n+$/, '').split('\n');
  if (config.trim() === '') lines.length = 0;
  const section = lines.findLast((line) => /^\s*\[[^\]]+\]/.test(line))?.trim();
  const fresh = added
    .map((line) => line.trim())
    .filter((line) => line.startsWith('[') || !lines.includes(line));
  if (fresh.length === 0) return config;
  if (section !== undefined && section !== '[all]' && !fresh[0]?.startsWith('[')) lines.push('', '[all]');
  return `${[...lines, ...fresh].join('\n')}\n`;
}

/** Splits at spaces, but not inside double quotes, as the kernel does. */
function splitArguments(text: string): string[] {
  return text.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? [];
}
