// The expressions of the update agent's naming rules (seed document 004), written for JavaScript.

const semver =
  '(?<major>0|[1-9]\\d*)\\.(?<minor>0|[1-9]\\d*)\\.(?<patch>0|[1-9]\\d*)' +
  '(?:-(?<prerelease>(?:0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\\.(?:0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?' +
  '(?:\\+(?<buildmetadata>[0-9a-zA-Z-]+(?:\\.[0-9a-zA-Z-]+)*))?';

/** Strict SemVer 2.0.0: three parts, no leading `v`, no leading zeros. */
export const versionPattern = new RegExp(`^${semver}$`);
/** A bundle id. */
export const idPattern = /^[a-zA-Z0-9-]+$/;

const bundlePattern = new RegExp(`^(?<id>[a-zA-Z0-9-]+)_(?<version>${semver})\\.bundle$`);
// The update agent's own expression has no end, so that it takes `….yaml.sign` for a description, too.
const descriptionPattern = new RegExp(`^(?<id>[a-zA-Z0-9-]+)_(?<version>${semver})\\.yaml$`);
const imagesPattern = new RegExp(`^(?<id>[a-zA-Z0-9-]+)_(?<version>${semver})_images\\.tar\\.gz$`);

/** `<controller>_<maturity>_<version>_<codename>_<arch>.swu`, as the convention describes it. */
const swuConvention =
  /^(?<controller>[a-zA-Z0-9-]+)_(?<maturity>[a-zA-Z0-9-]+)_(?<version>\d+\.\d+\.\d+)_(?<codename>[a-zA-Z0-9-]+)_(?<arch>[a-zA-Z0-9-]+)\.swu$/;
const swuSystem = /^(krc5_iiqka_[a-zA-Z-]+)_([0-9]+\.[0-9]+\.[0-9]+)[a-zA-Z0-9_]*\.swu$/;
const swuSmartPad = /^((.*_)?smartpad-pro(_[a-zA-Z-]+)*)_(\d+\.\d+\.\d+)(_.*)?\.swu$/;

/** What identifies a bundle. */
export interface BundleIdentity {
  readonly id: string;
  readonly version: string;
}

/** The identity in a bundle's file name; undefined when the update agent would not use a file of that name. */
export function parseBundleName(fileName: string): BundleIdentity | undefined {
  return identityIn(bundlePattern, fileName);
}

/** The file name of a bundle: `<id>_<version>.bundle`. */
export function bundleName({id, version}: BundleIdentity): string {
  return `${id}_${version}.bundle`;
}

/** The file name of the images that belong to a bundle and are installed from a USB medium. */
export function imagesName({id, version}: BundleIdentity): string {
  return `${id}_${version}_images.tar.gz`;
}

/** What kind of file a name says it is, and what an update agent makes of it. */
export interface NameCheck {
  readonly name: string;
  readonly kind: 'bundle' | 'description' | 'images' | 'swu' | 'unknown';
  /** Whether the name follows the convention of its kind. */
  readonly followsConvention: boolean;
  /** Whether the update agent picks a file of that name up. For SWU files this differs from the convention. */
  readonly recognised: boolean;
  /** What the name says, by part. */
  readonly parts: Readonly<Record<string, string>>;
  /** What is wrong with it, or odd about it; empty for a good name. */
  readonly remarks: readonly string[];
}

/** Checks a file name against the conventions for bundles, descriptions, image archives and SWU files. */
export function checkName(name: string): NameCheck {
  if (/\.swu$/i.test(name)) return checkSwuName(name);
  for (const [kind, pattern] of [
    ['images', imagesPattern],
    ['bundle', bundlePattern],
    ['description', descriptionPattern],
  ] as const) {
    const identity = identityIn(pattern, name);
    if (identity !== undefined) {
      return {name, kind, followsConvention: true, recognised: true, parts: {...identity}, remarks: []};
    }
  }
  const kind = kindByEnding(name);
  return {
    name,
    kind,
    followsConvention: false,
    recognised: false,
    parts: {},
    remarks: kind === 'unknown' ? [unknownEnding] : whatIsWrong(name, endings[kind]),
  };
}

const endings = {images: '_images.tar.gz', bundle: '.bundle', description: '.yaml'} as const;
const unknownEnding = 'must end with .bundle, .yaml, _images.tar.gz or .swu';

function kindByEnding(name: string): keyof typeof endings | 'unknown' {
  const lower = name.toLowerCase();
  for (const [kind, ending] of Object.entries(endings)) {
    if (lower.endsWith(ending)) return kind as keyof typeof endings;
  }
  return 'unknown';
}

function whatIsWrong(name: string, ending: string): string[] {
  const remarks: string[] = [];
  if (!name.endsWith(ending)) remarks.push(`must end with ${ending} in lower case`);
  const stem = name.slice(0, -ending.length);
  const separator = stem.indexOf('_');
  if (separator === -1) {
    return [...remarks, `must be <id>_<version>${ending}: there is no "_" between id and version`];
  }
  const id = stem.slice(0, separator);
  const version = stem.slice(separator + 1);
  if (!idPattern.test(id)) remarks.push(`the id ${JSON.stringify(id)} may have letters, digits and "-" only`);
  if (!versionPattern.test(version)) {
    remarks.push(`the version ${JSON.stringify(version)} must be SemVer with three parts, such as 1.0.0`);
  }
  return remarks;
}

function checkSwuName(name: string): NameCheck {
  const convention = swuConvention.exec(name)?.groups;
  const system = swuSystem.exec(name);
  const smartPad = swuSmartPad.exec(name);
  const recognised = system !== null || smartPad !== null;
  const remarks: string[] = [];
  if (!recognised) {
    remarks.push(
      'the update agent picks up krc5_iiqka_<codename>_<x.y.z>….swu and …smartpad-pro…_<x.y.z>….swu only',
    );
  }
  if (convention === undefined) {
    remarks.push('the convention is <controller>_<maturity>_<x.y.z>_<codename>_<arch>.swu');
  }
  const parts: Record<string, string> = convention === undefined ? {} : {...convention};
  if (system?.[2] !== undefined) parts['version'] = system[2];
  if (smartPad?.[4] !== undefined) parts['version'] = smartPad[4];
  return {name, kind: 'swu', followsConvention: convention !== undefined, recognised, parts, remarks};
}

function identityIn(pattern: RegExp, name: string): BundleIdentity | undefined {
  const {id, version} = pattern.exec(name)?.groups ?? {};
  return id === undefined || version === undefined ? undefined : {id, version};
}
