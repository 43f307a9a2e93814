import {readFile} from 'node:fs/promises';
import {dirname, resolve} from 'node:path';
import type {z} from 'zod';
import {ConfigError, type ConfigIssue} from '../../configs/config-error.ts';
import {describeValue, fieldName, valueAt} from '../../configs/field-path.ts';
import {findNearestName} from '../../configs/nearest-name.ts';
import {readConfigText} from '../../configs/read-config-text.ts';
import {SourceText, type Problem} from '../../configs/source-text.ts';
import {readYaml, type YamlSource} from '../../configs/yaml-source.ts';
import {PipelineError} from '../errors.ts';
import {ContentDocument, knownKeys} from './config-schema.ts';
import type {ContentConfig} from './content-config.ts';
import {fetchBeginning} from './fetch-beginning.ts';
import {checkOffspot} from './offspot-rules.ts';
import {configField, resolveConfig} from './resolve-config.ts';

/** A configuration that is right. */
export interface LoadedConfig {
  readonly config: ContentConfig;
  /** Byte for byte as it was read. */
  readonly text: string;
  /** What is allowed but hardly meant, by position. */
  readonly warnings: readonly ConfigIssue[];
}

export interface ReadConfigOptions {
  /** Folder of the official releases; that of Kiwix Offspot when absent. */
  readonly releases?: string | undefined;
  /** The base is a card that is built with it, and the configuration may not name another one. */
  readonly isForCard?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

const mostBytes = 1024 * 1024;

/** Stands for an image that is not there yet. */
const card = {pipeline: '.'};

/** Misspelled in the document that the format comes from, so that it is about: said, but no error. */
const toleratedKeys: ReadonlySet<string> = new Set(['wite_config']);

/**
 * Reads the configuration of a content image.
 *
 * @param location A path, or an http(s) address.
 * @throws ConfigError with everything that is wrong in it; PipelineError `DOWNLOAD_FAILED`.
 */
export async function readContentConfig(
  location: string,
  options: ReadConfigOptions = {},
): Promise<LoadedConfig> {
  const isRemote = /^https?:\/\//i.test(location);
  const file = isRemote ? location : resolve(location.replace(/^~(?=\/)/, process.env['HOME'] ?? '~'));
  const source = isRemote ? await fetchText(location, options.signal) : await readConfigText(file);
  // write_config copies the file with its byte order mark and its line ends.
  const text = isRemote ? source.text : await readFile(file, 'utf8');
  const folder = isRemote ? process.cwd() : dirname(file);
  const {config, warnings} = parseContentConfig(source, {folder, ...options});
  return {config: withConfigFile(config, text), text, warnings};
}

/** Puts the text of a configuration into the file that `write_config` adds. */
export function withConfigFile(config: ContentConfig, text: string): ContentConfig {
  const source = {kind: 'content' as const, bytes: Buffer.from(text)};
  const files = config.files.map((one) => (one.field === configField ? {...one, source} : one));
  return {...config, files};
}

/** {@link readContentConfig} for a text; relative paths in it start at `folder`. */
export function parseContentConfig(
  source: SourceText,
  options: ReadConfigOptions & {readonly folder: string},
): Omit<LoadedConfig, 'text'> {
  const yaml = readYaml(source);
  const problems: Problem[] = [...yaml.problems];
  const warnings: Problem[] = [];
  let config: ContentConfig | undefined;
  if (yaml.value !== undefined) {
    const {value} = yaml;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      problems.push({
        span: yaml.spanOfValue([]),
        message:
          value === null
            ? 'the file is empty; it must at least say base'
            : 'the file must be a map of fields, with base among them',
      });
    } else {
      const tolerated = Object.keys(value).filter((key) => toleratedKeys.has(key));
      for (const key of tolerated)
        warnings.push({...unknownKey(yaml, [], key), message: `${key} is not known and has no effect`});
      const known = Object.fromEntries(Object.entries(value).filter(([key]) => !toleratedKeys.has(key)));
      const isForCard = options.isForCard === true;
      if (isForCard && 'base' in known)
        problems.push({
          span: yaml.spanOf(['base']),
          message: 'base must be left out here: it is the image of rpi_sd_image',
        });
      const document = isForCard ? {...known, base: card} : known;
      // What nobody knows is said, and hides nothing else.
      const unknown = Object.keys(document).filter((key) => !(knownKeys([]) ?? []).includes(key));
      problems.push(...unknown.map((key) => unknownKey(yaml, [], key)));
      const parsed = ContentDocument.safeParse(
        Object.fromEntries(Object.entries(document).filter(([key]) => !unknown.includes(key))),
      );
      if (parsed.success) {
        const resolved = resolveConfig(parsed.data, yaml, options);
        problems.push(...resolved.problems);
        warnings.push(...resolved.warnings);
        config = resolved.config;
      } else {
        problems.push(...parsed.error.issues.flatMap((issue) => describeIssue(yaml, issue, [])));
      }
      const offspot = checkOffspot(yaml);
      problems.push(...offspot.problems);
      warnings.push(...offspot.warnings);
    }
  }
  if (problems.length > 0 || config === undefined)
    throw new ConfigError('CONFIG_INVALID', toIssues(problems, source));
  return {config, warnings: toIssues(warnings, source)};
}

function toIssues(problems: readonly Problem[], source: SourceText): readonly ConfigIssue[] {
  return [...problems]
    .sort((a, b) => a.span.offset - b.span.offset)
    .map((problem) => source.toIssue(problem, source.text));
}

function describeIssue(
  yaml: YamlSource,
  issue: z.core.$ZodIssue,
  above: readonly PropertyKey[],
): readonly Problem[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(yaml, path, key));
  if (issue.code === 'invalid_union') {
    // Of a text or a map, what stands there says which was meant.
    const branch = issue.errors.find((issues) =>
      issues.every(({code, path: inner}) => code !== 'invalid_type' || inner.length > 0),
    );
    if (branch !== undefined) return branch.flatMap((inner) => describeIssue(yaml, inner, path));
  }
  const value = valueAt(yaml.value, path);
  const name = fieldName(path);
  if (value === undefined) return [{span: yaml.spanOf(path), message: `${name} is missing`}];
  return [{span: yaml.spanOfValue(path), message: `${name} ${issue.message}`, found: describeValue(value)}];
}

function unknownKey(yaml: YamlSource, path: readonly PropertyKey[], key: string): Problem {
  const known = (knownKeys(path) ?? []).filter((name) => name !== 'image-creator');
  const suggestion = findNearestName(key, known);
  const span = yaml.spanOfKey(path, key);
  const message = `${fieldName([...path, key])} is not known`;
  return suggestion === undefined
    ? {span, message: `${message}; known are ${known.join(', ')}`}
    : {span, message, suggestion};
}

async function fetchText(url: string, signal = new AbortController().signal): Promise<SourceText> {
  const bytes = await fetchBeginning(url, mostBytes + 1, signal);
  const failed = (why: string) => new PipelineError('DOWNLOAD_FAILED', `the configuration ${url} ${why}`);
  if (bytes.length > mostBytes) throw failed('is larger than 1 MiB');
  try {
    return new SourceText(url, new TextDecoder('utf-8', {fatal: true}).decode(bytes));
  } catch {
    throw failed('is not UTF-8');
  }
}
