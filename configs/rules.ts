import type {ComponentName, Configs} from './schema.ts';
import {findBrokenCardRules} from './card-rules.ts';
import {findSize, formatSize, GiB, MiB} from './size.ts';
import {findBrokenContentRules} from './content-rules.ts';
import {findBrokenUpdateRules} from './update-rules.ts';

/** A field, as component and name. */
export type FieldPath = readonly [component: ComponentName, field: string];

/** Fields that are right one by one but not together. */
export interface BrokenRule {
  /** The field to change. */
  readonly field: FieldPath;
  /** The other fields that the rule looked at; one of them may be the only one that the user wrote. */
  readonly others: readonly FieldPath[];
  /** The rest of a sentence that starts with the field's name. */
  readonly message: string;
  /** A value that would be right. */
  readonly suggestion?: string;
}

/** A smaller FAT partition would have no room for two kernels during an update. */
const smallestBoot = 64 * MiB;
/** More only slows down mounting; FAT32 tools differ beyond it. */
const largestBoot = 2 * GiB;
export const smallestRoot = 256 * MiB;
/** An MBR partition table ends at 2 TiB; no card comes near. */
const largestImage = 1024 * GiB;

const portless: readonly string[] = ['armhf-raspbian', 'mips'];

/**
 * The rules between fields.
 *
 * @param requested What the user wants to have; the rules between components hold only for what is delivered.
 */
export function findBrokenRules(
  configs: Configs,
  requested: readonly ComponentName[],
): readonly BrokenRule[] {
  return [
    ...sizeRules(configs),
    ...archiveRule(configs),
    ...duplicatePackages(configs),
    ...removedPackages(configs),
    ...aptSourceRules(configs),
    ...sharedImageNames(configs),
    ...findBrokenCardRules(configs),
    ...findBrokenContentRules(configs, requested),
    ...findBrokenUpdateRules(configs, requested),
    // Updates and content images are made of the image.
    ...(['rpi_sd_image', 'content_image', 'ota-bundler'].some((name) =>
      requested.includes(name as ComponentName),
    )
      ? sdImageRules(configs)
      : []),
  ];
}

function* sizeRules({blank_image}: Configs): Iterable<BrokenRule> {
  const size = findSize(blank_image.size);
  const bootSize = findSize(blank_image.boot_size);
  // Partitions start and end there, so that they fit the erase blocks of SD cards.
  const alignment = findSize(blank_image.alignment) ?? 4 * MiB;
  for (const [name, bytes] of [
    ['size', size],
    ['boot_size', bootSize],
  ] as const) {
    if (bytes !== undefined && bytes % alignment !== 0) {
      const rounded = Math.max(alignment, Math.floor(bytes / alignment) * alignment);
      yield {
        field: ['blank_image', name],
        others: [['blank_image', 'alignment']],
        message: `must be a multiple of ${blank_image.alignment}`,
        suggestion: formatSize(rounded),
      };
    }
  }
  if (bootSize !== undefined && (bootSize < smallestBoot || bootSize > largestBoot)) {
    const message = `must be from ${formatSize(smallestBoot)} to ${formatSize(largestBoot)}`;
    yield {field: ['blank_image', 'boot_size'], others: [], message};
    return;
  }
  if (size !== undefined && size > largestImage) {
    yield {field: ['blank_image', 'size'], others: [], message: 'must be at most 1TiB (1024GiB)'};
  }
  const roots = blank_image.layout === 'ab' ? 2 : 1;
  if (size !== undefined && bootSize !== undefined && size < bootSize + roots * smallestRoot) {
    const message = `must exceed boot_size (${blank_image.boot_size}) by at least ${formatSize(roots * smallestRoot)}`;
    yield {
      field: ['blank_image', 'size'],
      others: [
        ['blank_image', 'boot_size'],
        ['blank_image', 'layout'],
      ],
      message,
    };
  }
  if (blank_image.layout === 'ab' && blank_image.device !== 'rpi') {
    const message =
      'must be "single" for this device: two slots are started by the firmware of the Raspberry Pi';
    yield {field: ['blank_image', 'layout'], others: [['blank_image', 'device']], message};
  }
}

function* archiveRule({root_fs}: Configs): Iterable<BrokenRule> {
  if (!portless.includes(root_fs.target)) return;
  for (const name of ['mirror', 'keyring'] as const) {
    if (root_fs[name] !== '') continue;
    const message = `must be set for target ${root_fs.target}: Debian has no such port, so mirror, suite and keyring must name an archive that has it`;
    yield {field: ['root_fs', name], others: [['root_fs', 'target']], message};
  }
}

function* duplicatePackages({root_fs}: Configs): Iterable<BrokenRule> {
  const seen = new Set<string>();
  for (const name of root_fs.packages) {
    if (seen.has(name)) {
      const message = `must list each package once: "${name}" is there twice`;
      yield {field: ['root_fs', 'packages'], others: [], message};
      return;
    }
    seen.add(name);
  }
}

function* removedPackages({root_fs}: Configs): Iterable<BrokenRule> {
  const both = root_fs.remove_packages.find((name) => root_fs.packages.includes(name));
  if (both !== undefined) {
    const message = `must not name "${both}", which packages asks for`;
    yield {field: ['root_fs', 'remove_packages'], others: [['root_fs', 'packages']], message};
  }
}

function* aptSourceRules({root_fs}: Configs): Iterable<BrokenRule> {
  const field: FieldPath = ['root_fs', 'apt_sources'];
  const names = root_fs.apt_sources.map(({name}) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    yield {field, others: [], message: `must give each source a name of its own: "${twice}" is there twice`};
  for (const {name, suite, components} of root_fs.apt_sources) {
    if (suite.endsWith('/') === (components.length === 0)) continue;
    const message = suite.endsWith('/')
      ? `must give "${name}" no components: its suite "${suite}" is the path of a flat archive`
      : `must give "${name}" components (such as ["main"]): only a flat archive, whose suite ends with "/", has none`;
    yield {field, others: [], message};
  }
}

/** Two components with one name: the later build would take the name away from the earlier one. */
function* sharedImageNames(configs: Configs): Iterable<BrokenRule> {
  const owners = new Map<string, ComponentName>();
  for (const [name, config] of Object.entries(configs) as [ComponentName, Configs[ComponentName]][]) {
    if (!('image' in config)) continue;
    const {image} = config;
    const tagged = /:[^/]*$/.test(image) ? image : `${image}:latest`;
    const owner = owners.get(tagged);
    if (owner !== undefined) {
      const message = `must differ from ${owner}.image`;
      yield {field: [name, 'image'], others: [[owner, 'image']], message};
    } else {
      owners.set(tagged, name);
    }
  }
}

function* sdImageRules({root_fs, blank_image}: Configs): Iterable<BrokenRule> {
  if (root_fs.target !== 'arm64-debian') {
    const message = 'must be "arm64-debian" when rpi_sd_image is built: it is an image of 64 bits';
    yield {field: ['root_fs', 'target'], others: [], message};
  }
  if (root_fs.variant === 'apt') {
    const message = 'must not be "apt" when rpi_sd_image is built: nothing in it could boot';
    yield {field: ['root_fs', 'variant'], others: [], message};
  }
  if (blank_image.device !== 'rpi') {
    const message = 'must be "rpi" when rpi_sd_image is built: it is an image for the Raspberry Pi';
    yield {field: ['blank_image', 'device'], others: [], message};
  }
}
