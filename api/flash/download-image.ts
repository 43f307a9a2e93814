import {createHash} from 'node:crypto';
import {mkdir, open, readFile, rename, rm, stat, writeFile} from 'node:fs/promises';
import {homedir} from 'node:os';
import {join, posix} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {request, type Dispatcher} from 'undici';
import {z} from 'zod';
import {PipelineError} from '../errors.ts';
import type {FlashListener} from './flash-event.ts';

const mostTries = 5;
const mostRedirects = 10;

/** What a server says about a file, by which it is recognized later. */
const Validator = z.object({etag: z.string().optional(), lastModified: z.string().optional()});
type Validator = z.infer<typeof Validator>;

interface DownloadOptions {
  readonly progress: (doneBytes: number, totalBytes?: number) => void;
  readonly emit: FlashListener;
  readonly signal: AbortSignal;
}

/**
 * Downloads an image into the user's cache; what is there already is asked about, and a part of it is continued.
 *
 * @returns the path of the file.
 * @throws PipelineError `DOWNLOAD_FAILED`
 */
export async function downloadImage(url: string, options: DownloadOptions): Promise<string> {
  const {pathname} = new URL(url);
  const name = posix.basename(pathname).replaceAll(/[^\w.+-]/g, '_') || 'image';
  const folder = join(cacheFolder(), createHash('sha256').update(url).digest('hex').slice(0, 16));
  await mkdir(folder, {recursive: true});
  const files = {
    complete: join(folder, name),
    partial: join(folder, `${name}.part`),
    validator: join(folder, 'validator.json'),
  };
  for (let attempt = 1, before = 0; ; attempt++) {
    try {
      if ((await attemptDownload(url, files, options)) === 'complete') return files.complete;
    } catch (error) {
      options.signal.throwIfAborted();
      if (error instanceof PipelineError) throw error;
      // A connection that breaks again and again still brings all of it, as long as each brings something.
      const have = await sizeOf(files.partial);
      if (have > before) attempt = 1;
      before = have;
      if (attempt < mostTries) {
        await sleep(250 * 2 ** attempt, undefined, {signal: options.signal});
        continue;
      }
      if (await exists(files.complete)) {
        const message = `${url} cannot be reached: using the copy of an earlier download`;
        options.emit({type: 'notice', level: 'warning', message});
        return files.complete;
      }
      throw new PipelineError('DOWNLOAD_FAILED', `${url} cannot be downloaded: ${reasonOf(error)}`, {
        cause: error,
        hint: 'Run the same command again: it goes on where it stopped.',
      });
    }
  }
}

interface Files {
  readonly complete: string;
  readonly partial: string;
  readonly validator: string;
}

/** `again` when what was there turned out to be useless. */
async function attemptDownload(
  url: string,
  files: Files,
  options: DownloadOptions,
): Promise<'complete' | 'again'> {
  const known = await readValidator(files.validator);
  const isComplete = await exists(files.complete);
  const have = isComplete || known === undefined ? 0 : await sizeOf(files.partial);
  const response = await get(
    url,
    {
      ...(isComplete && known?.etag !== undefined && {'if-none-match': known.etag}),
      ...(isComplete && known?.lastModified !== undefined && {'if-modified-since': known.lastModified}),
      ...(have > 0 && {range: `bytes=${have}-`, 'if-range': known?.etag ?? known?.lastModified ?? ''}),
    },
    options.signal,
  );
  const {statusCode, headers, body} = response;
  if (statusCode === 304) {
    await body.dump();
    return 'complete';
  }
  const isRest = statusCode === 206 && String(headers['content-range']).startsWith(`bytes ${have}-`);
  if (statusCode !== 200 && !isRest) {
    await body.dump();
    if (statusCode !== 416 && statusCode !== 206) throw refused(url, statusCode);
    await rm(files.partial, {force: true});
    await rm(files.validator, {force: true});
    return 'again';
  }
  const start = isRest ? have : 0;
  const length = Number(headers['content-length'] ?? Number.NaN);
  const total = Number.isNaN(length) ? undefined : start + length;
  // Before the content: a part without its validator is never continued.
  if (!isRest) await writeFile(files.validator, JSON.stringify(validatorOf(headers)));
  let done = start;
  const file = await open(files.partial, isRest ? 'a' : 'w');
  try {
    // Written piece by piece: what came before a connection broke is on the disk, and need not come again.
    for await (const chunk of body) {
      await file.writeFile(chunk as Buffer);
      done += (chunk as Buffer).length;
      options.progress(done, total);
    }
  } finally {
    await file.close();
  }
  if (total !== undefined && done !== total) throw new Error(`it ended after ${done} of ${total} bytes`);
  await rename(files.partial, files.complete);
  await fetchSum(url, `${files.complete}.sha256`, options.signal);
  return 'complete';
}

/** The checksum that many servers have beside an image: whoever unpacks it compares. */
async function fetchSum(url: string, file: string, signal: AbortSignal): Promise<void> {
  await rm(file, {force: true});
  try {
    const {statusCode, body} = await get(`${url}.sha256`, {}, signal);
    const text = statusCode === 200 ? await body.text() : '';
    if (statusCode !== 200) await body.dump();
    if (/^[0-9a-f]{64}\s/i.test(text)) await writeFile(file, text);
  } catch {
    // There need not be one.
    signal.throwIfAborted();
  }
}

async function get(
  url: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  let address = url;
  for (let hop = 0; hop < mostRedirects; hop++) {
    const response = await request(address, {headers: {...headers, 'accept-encoding': 'identity'}, signal});
    const {location} = response.headers;
    if (![301, 302, 303, 307, 308].includes(response.statusCode) || typeof location !== 'string')
      return response;
    await response.body.dump();
    const next = new URL(location, address);
    if (address.startsWith('https:') && next.protocol !== 'https:')
      throw new PipelineError(
        'DOWNLOAD_FAILED',
        `${url} leads to an address without encryption: ${next.href}`,
      );
    address = next.href;
  }
  throw new PipelineError('DOWNLOAD_FAILED', `${url} leads from one address to the next without end`);
}

/** `XDG_CACHE_HOME`, or `~/.cache` (freedesktop.org, Base Directory Specification). */
function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'hypriotkit', 'images');
}

function validatorOf(headers: Dispatcher.ResponseData['headers']): Validator {
  const {etag, 'last-modified': lastModified} = headers;
  return {
    // A weak one says that two files mean the same, not that they are.
    ...(typeof etag === 'string' && !etag.startsWith('W/') && {etag}),
    ...(typeof lastModified === 'string' && {lastModified}),
  };
}

async function readValidator(path: string): Promise<Validator | undefined> {
  try {
    const validator = Validator.parse(JSON.parse(await readFile(path, 'utf8')));
    return validator.etag === undefined && validator.lastModified === undefined ? undefined : validator;
  } catch {
    // Absent, or cut off by a kill: then nothing is known.
    return undefined;
  }
}

function refused(url: string, status: number): PipelineError {
  return new PipelineError('DOWNLOAD_FAILED', `${url} cannot be downloaded: the server answers ${status}`, {
    ...(status === 404 && {hint: 'There is nothing at this address: look at its spelling.'}),
  });
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

function reasonOf(error: unknown): string {
  const {code, message} = error as NodeJS.ErrnoException;
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}
