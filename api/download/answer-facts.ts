import type {Validator} from '../cache/cache-entry.ts';
import {isEncoded, type Answer} from './web.ts';

/** What a server says about a file, by which a change of it is noticed. */
export function validatorOf({headers}: Pick<Answer, 'headers'>): Validator {
  const {etag, 'last-modified': lastModified} = headers;
  return {
    // A weak one says that two files mean the same, not that they are.
    ...(typeof etag === 'string' && !etag.startsWith('W/') && {etag}),
    ...(typeof lastModified === 'string' && {lastModified}),
  };
}

/** Whether two validators speak of the same content; false when neither says anything. */
export function isSameContent(known: Validator, now: Validator): boolean {
  if (known.etag !== undefined && now.etag !== undefined) return known.etag === now.etag;
  return known.lastModified !== undefined && known.lastModified === now.lastModified;
}

/** Bytes of a whole file; undefined when the server does not say, or packs what it sends. */
export function lengthOf(answer: Pick<Answer, 'headers'>): number | undefined {
  const {'content-length': length} = answer.headers;
  if (isEncoded(answer) || typeof length !== 'string' || !/^\d{1,15}$/.test(length)) return undefined;
  return Number(length);
}

/** What part of a file an answer with status 206 has. */
export interface ContentRange {
  readonly start: number;
  readonly end: number;
  readonly total: number | undefined;
}

/** RFC 9110, section 14.4. */
export function rangeOf({headers}: Pick<Answer, 'headers'>): ContentRange | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(String(headers['content-range']));
  if (match === null) return undefined;
  const total = match[3] === '*' ? undefined : Number(match[3]);
  return {start: Number(match[1]), end: Number(match[2]), total};
}

/** Milliseconds that a server wants to be left alone for (RFC 9110, section 10.2.3). */
export function retryAfterMs({headers}: Pick<Answer, 'headers'>, nowMs: number): number | undefined {
  const value = headers['retry-after'];
  if (typeof value !== 'string') return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

/**
 * Whether what comes is a page for people instead of the file: a portal's login, an error with status 200. Only said of
 * names with an ending that is not that of a page, and only when both the type and the first bytes say so.
 */
export function isUnwantedPage(url: string, {headers}: Pick<Answer, 'headers'>, first: Uint8Array): boolean {
  const type = String(headers['content-type']).toLowerCase();
  const ending = /\.([a-z0-9]+)$/i.exec(new URL(url).pathname)?.[1]?.toLowerCase();
  if (!/^(text\/html|application\/xhtml\+xml)\b/.test(type) || ending === undefined) return false;
  if (['html', 'htm', 'xhtml', 'php', 'asp', 'aspx', 'jsp', 'cgi'].includes(ending)) return false;
  return /^\uFEFF?\s*(?:<!--|<!doctype\s+html|<html|<head|<body)/i.test(
    Buffer.from(first).subarray(0, 512).toString('utf8'),
  );
}
