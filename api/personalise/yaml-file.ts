import {isMap, isNode, isPair, isScalar, LineCounter, parseDocument, visit, type Document} from 'yaml';
import type {z} from 'zod';
import {ConfigError} from '../../configs/config-error.ts';
import {findNearestName} from '../../configs/nearest-name.ts';
import {quote, SourceText, type Problem} from '../../configs/source-text.ts';

const secretKey = /^(password|passwd|plain_text_passwd|hashed_passwd|psk|auth|private|key|secret)$/i;

/** A YAML file of cloud-init, parsed so that it can be checked with positions and edited with its comments. */
export interface YamlFile {
  readonly source: SourceText;
  readonly document: Document;
}

/**
 * Parses the text of a file.
 *
 * @throws ConfigError with every syntax error.
 */
export function parseYaml(file: string, text: string): YamlFile {
  const source = new SourceText(file, text);
  const document = parseDocument(text, {lineCounter: new LineCounter(), strict: true, uniqueKeys: true});
  const problems = document.errors.map(({message, pos}): Problem => ({
    span: {offset: pos[0], length: Math.max(1, pos[1] - pos[0])},
    message: `is not YAML: ${message.split(' at line ')[0] ?? message}`,
  }));
  throwProblems({source, document}, problems);
  // More aliases than any person would write are an attack on whoever reads the file.
  try {
    document.toJS({maxAliasCount: 100});
  } catch (error) {
    throwProblems({source, document}, [
      {span: {offset: 0, length: 1}, message: `is not usable: ${(error as Error).message}`},
    ]);
  }
  return {source, document};
}

/** Throws a ConfigError when there are problems. */
export function throwProblems({source, document}: YamlFile, problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const printable = maskSecrets(source.text, document);
  const issues = problems.map((problem) => source.toIssue(problem, printable));
  throw new ConfigError('CONFIG_INVALID', issues);
}

/** What a schema has against a file. */
export function checkYaml(file: YamlFile, schema: z.ZodType): Problem[] {
  const result = schema.safeParse(file.document.toJS());
  if (result.success) return [];
  return result.error.issues.map((issue) => {
    const name = issue.path.map(String).join('.');
    const value = file.document.getIn(issue.path, false);
    const isSecret = secretKey.test(String(issue.path.at(-1)));
    return {
      span: spanOf(file, issue.path),
      message: `${name === '' ? 'the file' : name} ${issue.message}`,
      ...(typeof value === 'string' && !isSecret && {found: quote(value)}),
    };
  });
}

/**
 * Keys of the mapping at `path` that are close to a known one, but are not: they would be ignored without a word.
 *
 * @param mistakes What people write, and what they mean, where that is not the nearest name.
 */
export function findMisspelledKeys(
  file: YamlFile,
  path: readonly PropertyKey[],
  known: readonly string[],
  mistakes: Readonly<Record<string, string>> = {},
): {readonly problems: Problem[]; readonly unknown: string[]} {
  const problems: Problem[] = [];
  const unknown: string[] = [];
  const node = path.length === 0 ? file.document.contents : file.document.getIn(path, true);
  if (!isMap(node)) return {problems, unknown};
  for (const {key} of node.items) {
    const name = isScalar(key) ? String(key.value) : '';
    if (known.includes(name)) continue;
    const suggestion = Object.hasOwn(mistakes, name) ? mistakes[name] : findNearestName(name, known);
    if (suggestion === undefined) unknown.push([...path, name].join('.'));
    else
      problems.push({
        span: spanOfNode(key),
        message: `${[...path, name].join('.')} is not known`,
        suggestion,
      });
  }
  return {problems, unknown};
}

/** The place of a value; of the nearest one around it where there is none. */
export function spanOf(file: YamlFile, path: readonly PropertyKey[]): Problem['span'] {
  for (let length = path.length; length >= 0; length--) {
    const part = path.slice(0, length);
    const node = part.length === 0 ? file.document.contents : file.document.getIn(part, true);
    if (isNode(node) && node.range) return spanOfNode(node);
  }
  return {offset: 0, length: 1};
}

function spanOfNode(node: unknown): Problem['span'] {
  const range = isNode(node) ? node.range : undefined;
  return range ? {offset: range[0], length: Math.max(1, range[1] - range[0])} : {offset: 0, length: 1};
}

/** The text with the values of keys that hold secrets replaced by stars of the same length. */
function maskSecrets(text: string, document: Document): string {
  let masked = text;
  visit(document, {
    Pair: (_key, pair) => {
      if (!isPair(pair) || !isScalar(pair.key) || !secretKey.test(String(pair.key.value))) return;
      const range = isNode(pair.value) ? pair.value.range : undefined;
      if (!range) return;
      const [from, to] = range;
      masked = masked.slice(0, from) + masked.slice(from, to).replaceAll(/[^\r\n]/g, '*') + masked.slice(to);
    },
  });
  return masked;
}
