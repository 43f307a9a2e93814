import {parseGitReference, type GitReference} from '../../configs/git-reference.ts';
import {formatImageReference, parseImageReference} from '../../configs/image-reference.ts';
import {componentNames, type Configs} from '../../configs/schema.ts';
import type {PinnedFolder} from './step.ts';

/** Folders of git repositories at the commits that they have been resolved to, by configuration field. */
export type Pins = ReadonlyMap<string, PinnedFolder>;

/** Where only the names of steps matter, nobody has to ask a repository. */
export const noPins: Pins = new Map();

/** Digests of the Docker images that a card gets from registries, by their whole names. */
export type ImagePins = ReadonlyMap<string, string>;

/** As {@link noPins}. */
export const noImagePins: ImagePins = new Map();

/** The whole names of the Docker images that a configuration wants from registries, each once. */
export function wantedImages({rpi_sd_image: card}: Configs): string[] {
  if (card.repo !== 'builtin') return [];
  const names = card.preload.flatMap((item) => (typeof item === 'string' ? [wholeName(item)] : []));
  return [...new Set(names)];
}

/** The name of an image without abbreviations; the schema has checked it. */
export function wholeName(text: string): string {
  const reference = parseImageReference(text);
  if (reference === undefined) throw new Error(`not the name of an image: ${text}`);
  const {tag, digest} = reference;
  return formatImageReference((tag ?? digest) ? reference : {...reference, tag: 'latest'});
}

/** A folder of a git repository that a configuration asks for, not pinned yet. */
export type WantedFolder = Omit<PinnedFolder, 'commit'>;

/** Every git repository that a configuration builds from. */
export function wantedFolders(configs: Configs): WantedFolder[] {
  const {rpi_bootloader: bootloader, rpi_kernel: kernel} = configs;
  const buildImages = componentNames.flatMap((component) => {
    const config = configs[component];
    if (!('repo' in config) || config.repo === 'builtin') return [];
    return [wanted(`${component}.repo`, parse(config.repo), '')];
  });
  return [
    ...buildImages,
    ...(bootloader.repo === 'builtin' && bootloader.source === 'git'
      ? // As in the Raspberry Pi's own repository, which has gigabytes of other things beside it.
        [wanted('rpi_bootloader.firmware_repo', parse(bootloader.firmware_repo), 'boot')]
      : []),
    ...(kernel.repo === 'builtin' && kernel.source === 'git'
      ? [
          {
            field: 'rpi_kernel.branch',
            repository: kernel.kernel_repo,
            ref: kernel.branch,
            folder: '',
          },
        ]
      : []),
  ];
}

/** The folder of a field at its commit, or at none where nobody asked for one. */
export function pinOf(configs: Configs, pins: Pins, field: string): PinnedFolder {
  const known = pins.get(field) ?? wantedFolders(configs).find((folder) => folder.field === field);
  if (known === undefined) throw new Error(`${field} names no git repository`);
  return {commit: '', ...known};
}

function wanted(field: string, {repository, ref, folder}: GitReference, otherwise: string): WantedFolder {
  return {field, repository, ref, folder: folder ?? otherwise};
}

/** The schema has checked it. */
function parse(text: string): GitReference {
  const reference = parseGitReference(text);
  if (reference === undefined) throw new Error(`not a git reference: ${text}`);
  return reference;
}
