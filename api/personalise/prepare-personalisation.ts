import {readFile, stat} from 'node:fs/promises';
import {basename, resolve} from 'node:path';
import {ConfigError} from '../../configs/config-error.ts';
import {readConfigText} from '../../configs/read-config-text.ts';
import {findFatNameProblem} from '../disk/fat-name.ts';
import {PipelineError} from '../errors.ts';
import {checkConfigLine, checkHostname, checkKernelArguments, checkWifi} from './check-fields.ts';
import {checkCountry} from './country.ts';
import {checkMetaData} from './meta-data.ts';
import {checkNetworkConfig} from './network-config.ts';
import type {Personalisation, WifiNetwork} from './personalisation.ts';
import {readSshKeys} from './ssh-keys.ts';
import {checkUserData} from './user-data.ts';

/** A text that replaces a file of the boot partition, and where it comes from. */
export interface GivenText {
  readonly path: string;
  readonly text: string;
}

/** A personalisation with everything read and checked that can be checked without the image. */
export interface PreparedPersonalisation {
  readonly hostname: string | undefined;
  readonly wifi: readonly WifiNetwork[];
  readonly country: string | undefined;
  readonly sshKeys: readonly string[];
  readonly userData: GivenText | undefined;
  readonly metaData: GivenText | undefined;
  readonly networkConfig: GivenText | undefined;
  /** By their paths on the boot partition. */
  readonly files: ReadonlyMap<string, Buffer>;
  readonly kernelArguments: readonly string[];
  readonly configTxt: readonly string[];
}

/**
 * Reads what a personalisation names and checks all of it, before anything is downloaded or written.
 *
 * @throws PipelineError `USAGE`, ConfigError
 */
export async function preparePersonalisation(wanted: Personalisation): Promise<PreparedPersonalisation> {
  const {hostname, wifi = [], sshKeys = [], kernelArguments = [], configTxt = []} = wanted;
  if (hostname !== undefined) checkHostname(hostname);
  for (const network of wifi) checkWifi(network);
  const country = wanted.country === undefined ? undefined : checkCountry(wanted.country);
  for (const text of kernelArguments) checkKernelArguments(text);
  for (const line of configTxt) checkConfigLine(line);
  const userData = await readGiven(wanted.userData);
  if (userData !== undefined) checkUserData(userData.path, userData.text);
  const metaData = await readGiven(wanted.metaData);
  if (metaData !== undefined) checkMetaData(metaData.path, metaData.text);
  const networkConfig = await readGiven(wanted.networkConfig);
  if (networkConfig !== undefined) checkNetworkConfig(networkConfig.path, networkConfig.text);
  const files = new Map<string, Buffer>();
  for (const file of wanted.files ?? []) {
    const [path, content] = await readCopied(file.source, file.destination);
    files.set(path, content);
  }
  const keys: string[] = [];
  for (const given of sshKeys) keys.push(...(await readSshKeys(given)));
  return {
    hostname,
    wifi,
    country,
    sshKeys: [...new Set(keys)],
    userData,
    metaData,
    networkConfig,
    files,
    kernelArguments,
    configTxt,
  };
}

async function readGiven(path: string | undefined): Promise<GivenText | undefined> {
  if (path === undefined) return undefined;
  const {file, text} = await readConfigText(resolve(path));
  if (text.includes('\0')) throw new ConfigError('CONFIG_INVALID', [{file, message: 'is not a text'}]);
  return {path: file, text};
}

/** Longer than any boot partition has room for. */
const mostBytes = 1024 ** 3;

async function readCopied(source: string, destination = basename(source)): Promise<[string, Buffer]> {
  const path = destination.endsWith('/') ? `${destination}${basename(source)}` : destination;
  const names = path.split('/').filter((name) => name !== '');
  if (names.length === 0) throw badFile(`--file ${source}: ${JSON.stringify(destination)} names no file`);
  for (const name of names) {
    const problem = findFatNameProblem(name);
    if (problem !== undefined) throw badFile(`--file ${source}: the name ${JSON.stringify(name)} ${problem}`);
  }
  try {
    const stats = await stat(source);
    if (!stats.isFile()) throw badFile(`--file ${source} is not a regular file`);
    if (stats.size > mostBytes) throw badFile(`--file ${source} has more than 1 GiB`);
    return [names.join('/'), await readFile(source)];
  } catch (error) {
    if (error instanceof PipelineError) throw error;
    const {code} = error as NodeJS.ErrnoException;
    throw badFile(
      code === 'ENOENT'
        ? `--file ${source} does not exist`
        : `--file ${source} cannot be read (${code ?? String(error)})`,
    );
  }
}

function badFile(message: string): PipelineError {
  return new PipelineError('USAGE', message, {
    hint: 'Write --file SOURCE, or --file SOURCE:DESTINATION with a path on the boot partition.',
  });
}
