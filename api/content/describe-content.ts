import {createHash} from 'node:crypto';
import {fileURLToPath} from 'node:url';
import {sha256File} from '../archive/sha256-file.ts';
import {PipelineError} from '../errors.ts';
import {formatImageReference} from '../registry/reference.ts';
import {formatPlatform} from '../registry/image-source.ts';
import type {ContentConfig, ContentFile} from './content-config.ts';

/** A part of what counts of a configuration. */
export interface ContentPart {
  readonly variable: string;
  readonly value: string;
  /** It may hold passwords of networks. */
  readonly secret?: boolean;
}

/**
 * All that counts of a configuration, and nothing of this machine: files of it by their content, those of servers by
 * their address.
 *
 * @throws PipelineError `SOURCE_MISSING` for a file that is not there.
 */
export async function describeContent(config: ContentConfig, signal: AbortSignal): Promise<ContentPart[]> {
  const {outputBytes, shrink, images, files, offspot} = config;
  const fileLines: string[] = [];
  for (const file of files) {
    signal.throwIfAborted();
    fileLines.push([file.to, file.via, await contentOf(file), file.sizeBytes ?? ''].join(' ').trimEnd());
  }
  const imageLines: string[] = [];
  for (const {to, reference, platform, url} of images) {
    const what =
      url === undefined
        ? `${formatImageReference(reference)} ${formatPlatform(platform)}`
        : await contentOfUrl(url);
    imageLines.push(`${to} ${what}`);
  }
  return [
    {variable: 'OUTPUT', value: `${outputBytes ?? 'auto'}${shrink ? ' shrink' : ''}`},
    {variable: 'OCI_IMAGES', value: imageLines.join('\n')},
    {variable: 'FILES', value: fileLines.join('\n')},
    {variable: 'OFFSPOT', value: offspot === undefined ? '' : JSON.stringify(offspot), secret: true},
  ];
}

function contentOf({source}: ContentFile): Promise<string> | string {
  return source.kind === 'content'
    ? createHash('sha256').update(source.bytes).digest('hex')
    : contentOfUrl(source.url);
}

async function contentOfUrl(text: string): Promise<string> {
  const url = new URL(text);
  if (url.protocol !== 'file:') {
    url.username = '';
    url.password = '';
    return url.href;
  }
  const path = fileURLToPath(url);
  try {
    return await sha256File(path);
  } catch (error) {
    throw new PipelineError('SOURCE_MISSING', `content_image cannot be filled: there is no file ${path}`, {
      cause: error,
    });
  }
}
