import {InvalidArgumentError, Option} from '@commander-js/extra-typings';
import {PipelineError} from '../api/errors.ts';
import type {Personalisation, WifiNetwork} from '../api/personalise/personalisation.ts';
import type {CliContext} from './context.ts';
import {collect, given} from './options.ts';
import {readLines} from './read-lines.ts';

/** What the options of `flash` and `personalise` leave behind. */
export interface PersonaliseFlags {
  readonly hostname?: string | undefined;
  readonly ssid?: readonly string[] | undefined;
  readonly psk?: readonly string[] | undefined;
  readonly hidden?: boolean | undefined;
  readonly country?: string | undefined;
  readonly sshKey?: readonly string[] | undefined;
  readonly userdata?: string | undefined;
  readonly metadata?: string | undefined;
  readonly networkConfig?: string | undefined;
  readonly file?: readonly {source: string; destination?: string}[] | undefined;
  readonly cmdline?: readonly string[] | undefined;
  readonly configTxt?: readonly string[] | undefined;
}

/** The options that say what makes a card different from another. */
export const personaliseOptions = () =>
  [
    new Option('-n, --hostname <name>', 'host name'),
    new Option('-s, --ssid <name>', 'WiFi network to join (repeatable)').argParser(collect),
    new Option(
      '-p, --psk <passphrase>',
      'its passphrase; "-" reads it from stdin, "" is an open network (default: HYPRIOTKIT_PSK)',
    ).argParser(collect),
    new Option('--hidden', 'the networks do not announce their names'),
    new Option('--country <code>', 'where the board is used, as DE or US; WiFi needs it'),
    new Option('-k, --ssh-key <file|key>', 'public key that may log in (repeatable)').argParser(collect),
    new Option('-u, --userdata <file>', 'a cloud-config that becomes user-data'),
    new Option('--metadata <file>', 'a file that becomes meta-data'),
    new Option('--network-config <file>', 'a netplan file that becomes network-config'),
    new Option('-F, --file <source[:path]>', 'file to copy to the boot partition (repeatable)').argParser(
      collectFile,
    ),
    new Option('--cmdline <arguments>', 'arguments for the kernel (repeatable)').argParser(collect),
    new Option('--config-txt <line>', 'line for config.txt (repeatable)').argParser(collect),
  ] as const;

/** What the help says of them. */
export const personaliseHelp = `
The files of cloud-init on the boot partition (user-data, meta-data, network-config) are edited, comments stay, and
everything is checked before anything is written. A passphrase in an option is seen by everybody on this machine;
HYPRIOTKIT_PSK and stdin are not. Several networks: --ssid A --psk a --ssid B --psk b.
`;

/**
 * The personalisation that the options ask for; reads passphrases from where they are.
 *
 * @throws PipelineError `USAGE`
 */
export async function readPersonalisation(
  flags: PersonaliseFlags,
  context: CliContext,
): Promise<Personalisation> {
  const wifi = await readWifi(flags, context);
  return given({
    hostname: flags.hostname,
    wifi: wifi.length > 0 ? wifi : undefined,
    country: flags.country,
    sshKeys: flags.sshKey,
    userData: flags.userdata,
    metaData: flags.metadata,
    networkConfig: flags.networkConfig,
    files: flags.file,
    kernelArguments: flags.cmdline,
    configTxt: flags.configTxt,
  });
}

async function readWifi(flags: PersonaliseFlags, context: CliContext): Promise<WifiNetwork[]> {
  const {ssid: names = [], hidden} = flags;
  if (names.length === 0) {
    if (flags.psk !== undefined || hidden === true)
      throw new PipelineError(
        'USAGE',
        `${hidden === true ? '--hidden' : '--psk'} needs the name of a network (--ssid)`,
      );
    return [];
  }
  const passphrases = await readPassphrases(flags, context);
  if (passphrases.length !== names.length) {
    throw new PipelineError(
      'USAGE',
      `there ${names.length === 1 ? 'is one network' : `are ${names.length} networks`} (--ssid) and ${passphrases.length === 0 ? 'no' : passphrases.length} passphrase${passphrases.length === 1 ? '' : 's'} (--psk)`,
      {hint: 'Give one for each, in the same order; --psk "" is for an open network.'},
    );
  }
  return names.map((ssid, index) => ({
    ssid,
    ...given({passphrase: passphrases[index] || undefined, isHidden: hidden}),
  }));
}

/** One line for each network, where they come from elsewhere than the options. */
async function readPassphrases(
  {psk = []}: PersonaliseFlags,
  context: CliContext,
): Promise<readonly string[]> {
  const fromEnvironment = context.env['HYPRIOTKIT_PSK'];
  if (psk.length === 0 && fromEnvironment !== undefined) return fromEnvironment.split('\n');
  if (!psk.includes('-')) return psk;
  if (psk.length > 1)
    throw new PipelineError('USAGE', '--psk - stands for all passphrases: give it once and alone');
  return readLines(context.stdin);
}

function collectFile(
  value: string,
  previous: readonly {source: string; destination?: string}[] | undefined,
): readonly {source: string; destination?: string}[] {
  const [, source = '', destination] = /^(.+?)(?::([^:]+))?$/.exec(value) ?? [];
  if (source === '') throw new InvalidArgumentError('Expected a file, or file:path.');
  return [...(previous ?? []), {source, ...given({destination})}];
}
