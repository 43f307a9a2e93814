import {readFile} from 'node:fs/promises';
import {Argument, InvalidArgumentError, Option} from '@commander-js/extra-typings';
import type {OtaProgress} from '../../../api/ota/image/index.ts';
import {OtaError} from '../../../api/ota/ota-error.ts';
import {sourceDateEpoch} from '../../../api/pipeline/source-date-epoch.ts';
import type {CliContext} from '../../context.ts';
import {writeJsonLine} from '../../reporters/json-reporter.ts';
import {collect} from '../../options.ts';
import {parseThreads} from './options.ts';

/** The options of commands that write images, each declared once. */
export const imageRootArgument = () => new Argument('<image-root>', 'the folder of the image');

export const annotationsOption = () =>
  new Option('--annotations-file <yaml>', 'a YAML map of annotations').makeOptionMandatory();

export const createdOption = () =>
  new Option(
    '--created <seconds>',
    'the time to record, seconds since 1970 (default: SOURCE_DATE_EPOCH, else now)',
  ).argParser(parseSeconds);

export const workersOption = () =>
  new Option('-w, --workers <count>', 'threads (default: one for each CPU); the image is the same').argParser(
    parseThreads,
  );

export const tmpDirOption = () => new Option('--tmp-dir <folder>', 'where temporary files are kept');

export const progressOption = () =>
  new Option('--json', 'print progress and then the result as one line of JSON each');

export const signCertOption = () => new Option('--sign-cert <pem>', 'the certificate of the signing key');

export const signKeyOption = () =>
  new Option('--sign-key <file|pem|->', 'the signing key: a file, PEM text, or - for standard input');

export const signKeyPasswordOption = () =>
  new Option('--sign-key-passwd <password>', 'of an encrypted key (default: HYPRIOTKIT_SIGN_KEY_PASSWORD)');

export const caCertOption = () =>
  new Option('--ca-cert <pem>', 'an intermediate certificate, never the root; may be repeated').argParser(
    collect,
  );

export const forceSignOption = () => new Option('--force-sign', 'sign again what is signed already');

/** The time to record: `--created`, else SOURCE_DATE_EPOCH, else undefined. */
export function createdOf(context: CliContext, created: number | undefined): number | undefined {
  return created ?? sourceDateEpoch(context.env);
}

/** `ECU:[FILE]` of `--sys-config`. */
export function parseSysConfig(value: string): {ecuId: string; sysConfigFile: string | undefined} {
  const at = value.indexOf(':');
  if (at < 1) throw new OtaError('INPUT_INVALID', `--sys-config: expected ECU:[FILE], got "${value}"`);
  const file = value.slice(at + 1);
  return {ecuId: value.slice(0, at), sysConfigFile: file === '' ? undefined : file};
}

/** Reads a PEM file. @throws OtaError KEY_INVALID */
export async function readPem(path: string, what: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw new OtaError('KEY_INVALID', `${what} ${path} cannot be read: ${(cause as Error).message}`, {cause});
  });
}

/** The signing key from where `--sign-key` says. */
export async function readKey(context: CliContext, value: string): Promise<string> {
  if (value.includes('-----BEGIN')) return value;
  if (value !== '-') return readPem(value, 'The signing key');
  return readAll(context.stdin);
}

export async function readAll(stream: NodeJS.ReadStream): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(Buffer.from(piece as Buffer));
  return Buffer.concat(pieces).toString('utf8');
}

/** What shows the progress of a command: JSON lines, or nothing but a line that changes on a terminal. */
export function showProgress(
  context: CliContext,
  json: boolean | undefined,
): (progress: OtaProgress) => void {
  let shown = '';
  return ({phase, done, total}) => {
    const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
    const text = `${phase} ${percent} %`;
    if (text === shown) return;
    shown = text;
    if (json === true) writeJsonLine(context.stdout, {type: 'ota-progress', phase, done, total});
    else if (context.stderr.isTTY === true)
      context.stderr.write(`\r${text.padEnd(20)}${percent === 100 ? '\r' : ''}`);
  };
}

function parseSeconds(value: string): number {
  if (/^\d{1,11}$/.test(value)) return Number(value);
  throw new InvalidArgumentError(`Expected seconds since 1970, got "${value}".`);
}
