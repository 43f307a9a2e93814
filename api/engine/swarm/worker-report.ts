import {z} from 'zod';

/** What a worker says at its end. A hint only: what it has made is proven by the registry. */
export const WorkerEnd = z.union([
  z.object({status: z.literal(0), built: z.literal(true)}),
  z.object({status: z.literal(0), missing: z.array(z.string()), present: z.array(z.string())}),
  z.object({status: z.literal(0), corrupt: z.string()}),
  z.object({status: z.number().int().positive(), outOfMemory: z.boolean()}),
  z.object({refused: z.literal('no_emulation'), architecture: z.string()}),
  z.object({
    refused: z.literal('wrong_version'),
    worker: z.number(),
    client: z.number(),
    version: z.string(),
  }),
  z.object({refused: z.literal('unauthorized')}),
  // The result was there before it began.
  z.object({status: z.literal(0)}),
]);

export type WorkerEnd = z.infer<typeof WorkerEnd>;

export type WorkerLine =
  | {readonly kind: 'output'; readonly line: string}
  | {readonly kind: 'progress'; readonly message: string}
  | {readonly kind: 'ended'; readonly end: WorkerEnd};

const prefix = '::worker ';

/** Tells what a worker says itself from what its step prints. */
export function parseWorkerLine(line: string): WorkerLine {
  if (!line.startsWith(prefix)) return {kind: 'output', line};
  const said = line.slice(prefix.length);
  if (said.startsWith('progress ')) return {kind: 'progress', message: said.slice('progress '.length)};
  const end = said.startsWith('ended ')
    ? WorkerEnd.safeParse(parseJson(said.slice('ended '.length)))
    : undefined;
  return end?.success === true ? {kind: 'ended', end: end.data} : {kind: 'output', line};
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
