import {addConfigLines, addKernelArguments} from './boot-text.ts';
import {PipelineError} from '../errors.ts';
import {checkMetaData, setInstanceId} from './meta-data.ts';
import {addWifi, checkNetworkConfig, defaultNetworkConfig, findCountry} from './network-config.ts';
import type {PreparedPersonalisation} from './prepare-personalisation.ts';
import {addSshKeys, checkUserData, emptyUserData, formatYaml, setHostname} from './user-data.ts';

/** What the boot partition gets. */
export interface FilePlan {
  /** By path on the boot partition, in the order of writing. */
  readonly files: ReadonlyMap<string, Buffer>;
  readonly warnings: readonly string[];
}

/**
 * Works out what the files of the boot partition become.
 *
 * @param readOld The content of a file as the image has it.
 * @throws PipelineError `USAGE`, ConfigError for a file of the image that cannot be edited
 */
export async function planFiles(
  wanted: PreparedPersonalisation,
  readOld: (path: string) => Promise<string | undefined>,
): Promise<FilePlan> {
  const files = new Map<string, Buffer>();
  const warnings: string[] = [];
  const put = (path: string, text: string) => files.set(path, Buffer.from(text));
  const userData = await planUserData(wanted, readOld, warnings);
  if (userData !== undefined) put('user-data', userData);
  const network = await planNetworkConfig(wanted, readOld);
  if (network !== undefined) put('network-config', network);
  if (userData !== undefined || network !== undefined || wanted.metaData !== undefined) {
    const kept = [
      userData ?? (await readOld('user-data')) ?? '',
      network ?? (await readOld('network-config')) ?? '',
    ];
    put('meta-data', await planMetaData(wanted, readOld, kept));
    // cloud-init takes no seed for one that has no user-data.
    if (userData === undefined && (await readOld('user-data')) === undefined)
      put('user-data', emptyUserData());
  }
  const kernelArguments = [
    ...wanted.kernelArguments,
    // For the time until the configuration of the network is read.
    ...(wanted.country === undefined ? [] : [`cfg80211.ieee80211_regdom=${wanted.country}`]),
  ];
  if (kernelArguments.length > 0) {
    const cmdline = await readOld('cmdline.txt');
    if (cmdline === undefined && wanted.kernelArguments.length > 0) {
      throw new PipelineError(
        'USAGE',
        'the boot partition has no cmdline.txt to add kernel arguments (--cmdline) to',
        {
          hint: 'Give a whole file: --file cmdline.txt.',
        },
      );
    }
    if (cmdline !== undefined) put('cmdline.txt', addKernelArguments(cmdline, kernelArguments));
  }
  if (wanted.configTxt.length > 0)
    put('config.txt', addConfigLines((await readOld('config.txt')) ?? '', wanted.configTxt));
  for (const [path, content] of wanted.files) {
    const other = [...files.keys()].find((name) => name.toLowerCase() === path.toLowerCase());
    if (other !== undefined) {
      throw new PipelineError('USAGE', `--file replaces ${other}, which other options change`, {
        hint: 'Leave one of them out; --userdata, --metadata and --network-config can be changed by the others.',
      });
    }
    files.set(path, content);
  }
  return {files, warnings};
}

type ReadOld = (path: string) => Promise<string | undefined>;

async function planUserData(
  {userData, hostname, sshKeys}: PreparedPersonalisation,
  readOld: ReadOld,
  warnings: string[],
): Promise<string | undefined> {
  const edits = hostname !== undefined || sshKeys.length > 0;
  if (userData === undefined && !edits) return undefined;
  const {path, text} = userData ?? {
    path: 'user-data of the image',
    text: (await readOld('user-data')) ?? emptyUserData(),
  };
  // An empty file is what an image has that waits for one.
  const checked = checkUserData(path, text.trim() === '' ? emptyUserData() : text);
  if (userData !== undefined) warnings.push(...checked.warnings);
  if (!edits) return text;
  const {document} = checked.file;
  if (hostname !== undefined) setHostname(document, hostname);
  if (sshKeys.length > 0) addSshKeys(document, sshKeys);
  return formatYaml(document);
}

async function planNetworkConfig(
  {networkConfig, wifi, country}: PreparedPersonalisation,
  readOld: ReadOld,
): Promise<string | undefined> {
  const edits = wifi.length > 0 || country !== undefined;
  if (networkConfig === undefined && !edits) return undefined;
  const {path, text} = networkConfig ?? {
    path: 'network-config of the image',
    text: (await readOld('network-config')) ?? '',
  };
  if (!edits) return text;
  const given = checkNetworkConfig(path, text).file;
  const {file} =
    given.document.contents === null ? checkNetworkConfig(path, defaultNetworkConfig()) : {file: given};
  const known = country ?? findCountry(file);
  if (wifi.length > 0 && known === undefined) {
    throw new PipelineError('USAGE', 'WiFi (--ssid) needs the country (--country)', {
      hint: 'Give its two letters, as --country DE: without them the radio may use few channels, or none.',
    });
  }
  if (wifi.length === 0 && !hasWifi(file.document.toJS())) return networkConfig?.text;
  addWifi(file.document, wifi, country);
  return formatYaml(file.document);
}

/** Whether a configuration has a WiFi interface that a country could be set for. */
function hasWifi(content: unknown): boolean {
  const inner = (content as {network?: unknown} | null)?.network ?? content;
  const {wifis} = (inner ?? {}) as {wifis?: unknown};
  return typeof wifis === 'object' && wifis !== null && Object.keys(wifis).length > 0;
}

async function planMetaData(
  {metaData}: PreparedPersonalisation,
  readOld: ReadOld,
  kept: readonly string[],
): Promise<string> {
  const {path, text} = metaData ?? {path: 'meta-data of the image', text: (await readOld('meta-data')) ?? ''};
  const {document} = checkMetaData(path, text);
  // Who writes one, means it.
  if (metaData !== undefined && document.get('instance-id') != null) return text;
  setInstanceId(document, kept);
  return formatYaml(document);
}
