import type {Dispatcher} from 'undici';
import {PipelineError} from '../errors.ts';
import {Interrupted, persist, ready, refusal} from './persist.ts';
import type {ImageReference} from './reference.ts';
import type {RegistryConnection} from './registry-connection.ts';

/** More than this goes in several requests, so that a broken connection costs no more than one of them. */
const defaultPieceBytes = 4 * 1024 ** 2;

export interface BlobUpload {
  readonly connection: RegistryConnection;
  readonly reference: ImageReference;
  /** `sha256:…` */
  readonly digest: string;
  readonly content: Buffer;
  /** A repository of the same registry that may have it already. */
  readonly mountFrom?: string | undefined;
  readonly pieceBytes?: number | undefined;
}

/**
 * Sends one blob, in pieces where it is large. After a broken connection or an answer of 429 or 5xx it asks how much
 * has arrived and goes on from there (OCI Distribution 1.1, "Pushing a blob in chunks").
 *
 * @returns `known` where another repository had it.
 * @throws PipelineError `REGISTRY_FAILED`
 */
export async function uploadBlob(upload: BlobUpload): Promise<'sent' | 'known'> {
  const {reference, content, pieceBytes = defaultPieceBytes} = upload;
  let location: URL | undefined;
  let isFresh = true;
  return persist(async () => {
    if (location === undefined) {
      const started = await start(upload);
      if (started === undefined) return 'known';
      [location, isFresh] = [started, true];
    }
    let at = isFresh ? 0 : await received(upload, location);
    if (at === undefined) {
      location = undefined;
      throw new Interrupted(refusal(reference, 404), 0);
    }
    isFresh = false;
    for (; content.length - at > pieceBytes; at += pieceBytes) {
      const piece = content.subarray(at, at + pieceBytes);
      const answer = await sendPiece(upload, 'PATCH', location, at, piece);
      if (answer.statusCode !== 202) throw startAgain(reference, answer.statusCode);
      location = await locationOf(upload, answer);
    }
    const last = new URL(location);
    last.searchParams.set('digest', upload.digest);
    const answer = await sendPiece(upload, 'PUT', last, at, content.subarray(at));
    if (answer.statusCode !== 201) throw startAgain(reference, answer.statusCode);
    return 'sent';
  });

  /** 404: the registry has forgotten the upload; 416: it has not what we think. Both can be begun again. */
  function startAgain(of: ImageReference, status: number): Error {
    location = undefined;
    return [404, 416].includes(status) ? new Interrupted(refusal(of, status)) : refusal(of, status);
  }
}

/** @returns where the upload goes, undefined when it is not needed. */
async function start(upload: BlobUpload): Promise<URL | undefined> {
  const {connection, reference, digest, mountFrom} = upload;
  const query = mountFrom === undefined ? '' : `?mount=${digest}&from=${encodeURIComponent(mountFrom)}`;
  const answer = await ready(reference, () =>
    connection.send(reference, {method: 'POST', path: `blobs/uploads/${query}`}),
  );
  await answer.body.dump();
  if (answer.statusCode === 201) return undefined;
  if (answer.statusCode !== 202) throw refusal(reference, answer.statusCode);
  return locationOf(upload, answer);
}

async function sendPiece(
  {connection, reference}: BlobUpload,
  method: 'PATCH' | 'PUT',
  path: URL,
  at: number,
  body: Buffer,
): Promise<Dispatcher.ResponseData> {
  const answer = await ready(reference, () =>
    connection.send(reference, {
      method,
      path,
      headers: {
        'content-type': 'application/octet-stream',
        ...((method === 'PATCH' || at > 0) && {'content-range': `${at}-${at + body.length - 1}`}),
      },
      body,
    }),
  );
  await answer.body.dump();
  return answer;
}

/** How many bytes of an interrupted upload have arrived; undefined when the registry has forgotten it. */
async function received({connection, reference}: BlobUpload, location: URL): Promise<number | undefined> {
  const answer = await ready(reference, () => connection.send(reference, {path: location, once: true}));
  await answer.body.dump();
  if (answer.statusCode !== 204) return undefined;
  const [, last = '0'] = /^(?:bytes=)?0-(\d+)$/.exec([answer.headers['range'] ?? ''].flat()[0] ?? '') ?? [];
  // Nothing and one byte are written in the same way.
  return last === '0' ? 0 : Number(last) + 1;
}

async function locationOf(
  {connection, reference}: BlobUpload,
  {headers}: Dispatcher.ResponseData,
): Promise<URL> {
  const [location] = [headers['location'] ?? []].flat();
  if (location !== undefined) return connection.resolve(reference, location);
  throw new PipelineError(
    'REGISTRY_FAILED',
    `the registry ${reference.registry} names no place for an upload`,
  );
}
