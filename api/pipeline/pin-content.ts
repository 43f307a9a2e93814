import type {ResolvedConfigs} from '../../configs/load-config.ts';
import type {Lock} from '../../configs/lock-file.ts';
import type {CardContent, SourceVersion} from '../components/content-work.ts';
import {openCache} from '../cache/download-cache.ts';
import {askVersions} from '../content/ask-versions.ts';
import type {ContentConfig} from '../content/content-config.ts';
import {remoteSources, type ContentSource} from '../content/content-sources.ts';
import {describeContent} from '../content/describe-content.ts';
import {readCardContent} from '../content/read-card-content.ts';
import {PipelineError} from '../errors.ts';
import {lockedContent} from './lock-content.ts';

/** What a card is filled with, and how that is not what the lock says. */
export interface PinnedContent {
  readonly content: CardContent;
  /** One sentence each. */
  readonly differences: readonly string[];
  readonly notices: readonly string[];
}

interface PinOptions {
  /** Nobody is asked: what the lock says is what there is. */
  readonly isStrict: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads what content_image names, and asks the servers which version of it they have. Nothing is downloaded.
 *
 * @throws ConfigError for mistakes in it; PipelineError `SOURCE_MISSING` with everything that is not there.
 */
export async function pinContent(
  {components, file}: Pick<ResolvedConfigs, 'components' | 'file'>,
  lock: Lock | undefined,
  {isStrict, signal = new AbortController().signal}: PinOptions,
): Promise<PinnedContent> {
  if (file === undefined)
    throw new PipelineError(
      'USAGE',
      'content_image needs a configs.json that says what the card is filled with',
      {
        hint: 'Name it with --config, or put it into the target.',
      },
    );
  const {config, warnings} = await readCardContent(components.content_image.config, file);
  const sources = remoteSources(config);
  const asked = isStrict ? {versions: [], notices: []} : await ask(sources, lock, signal);
  const versions = sources.map(({name}): SourceVersion => ({
    name,
    version:
      asked.versions.find((one) => one.name === name)?.version ?? lockedContent(lock, name)?.version ?? '',
  }));
  return {
    content: {config, settings: await settingsOf(config, signal), sources: versions},
    differences: lock === undefined ? [] : versions.flatMap((one) => difference(one, lock)),
    notices: [
      ...warnings.map(({file: where, line, message}) => `${where}:${line ?? 1}: ${message}`),
      ...asked.notices,
    ],
  };
}

/** What cannot be asked is taken to be as the lock has it. */
async function ask(
  sources: readonly ContentSource[],
  lock: Lock | undefined,
  signal: AbortSignal,
): Promise<{versions: readonly SourceVersion[]; notices: readonly string[]}> {
  const cache = sources.length === 0 ? undefined : await openCache();
  const {versions, problems} = await askVersions(sources, {cache, signal});
  const missing = problems.filter(
    ({name, isRefused}) => isRefused || lockedContent(lock, name) === undefined,
  );
  if (missing.length > 0) {
    const lines = missing.map(({message}) => message);
    throw new PipelineError(
      'SOURCE_MISSING',
      `content_image cannot be filled: ${lines.length === 1 ? (lines[0] ?? '') : `${lines.length} sources are not there:\n${lines.map((line) => `  ${line}`).join('\n')}`}`,
      {hint: 'Nothing was downloaded. Are the addresses right, and is the network there?'},
    );
  }
  const notices = problems.map(({message}) => `${message}; it is taken to be as in the lock`);
  return {versions, notices};
}

async function settingsOf(config: ContentConfig, signal: AbortSignal): Promise<CardContent['settings']> {
  return (await describeContent(config, signal)).map((part) => ({field: 'content_image.config', ...part}));
}

function difference({name, version}: SourceVersion, lock: Lock): string[] {
  const known = lockedContent(lock, name);
  if (known === undefined) return [`content_image.config: ${name} is not in the lock`];
  return known.version === version ? [] : [`content_image.config: ${name} has changed since it was locked`];
}
