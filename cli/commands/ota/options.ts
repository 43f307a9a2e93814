import {Argument, InvalidArgumentError, Option} from '@commander-js/extra-typings';

/** The options that several `ota` commands share, each declared once. */
export const imageArgument = () =>
  new Argument('<image>', 'an image: a folder, a .zip artifact, or an http(s) address of either');

export const ecuOption = () =>
  new Option('--ecu-id <id>', 'the ECU whose payload it is').makeOptionMandatory();

const releaseKeys = ['dev', 'prd'] as const;
const releaseKeyText = 'the release key of the payload';

export const releaseKeyOption = () =>
  new Option('--release-key <key>', releaseKeyText).choices(releaseKeys).default('dev' as const);

export const shortReleaseKeyOption = () =>
  new Option('-k, --release-key <key>', releaseKeyText).choices(releaseKeys).default('dev' as const);

export const caFolderOption = () =>
  new Option('--ca-dir <folder>', 'the folder of trusted certificates, one PEM file each');

/** Parses a number of threads; 0 is none beside the main one. */
export function parseThreads(value: string): number {
  if (/^\d{1,3}$/.test(value)) return Number(value);
  throw new InvalidArgumentError(`Expected a number of threads, got "${value}".`);
}

/** Parses `sha256:…` of a blob; the prefix may be left out where `bare` allows it. */
export function parseChecksum(value: string, bare = false): string {
  const hex = value.startsWith('sha256:') ? value.slice('sha256:'.length) : bare ? value : '';
  if (/^[0-9a-f]{64}$/.test(hex)) return hex;
  throw new InvalidArgumentError(
    `Not a valid checksum: expected sha256: and 64 hexadecimal digits, got "${value}".`,
  );
}
