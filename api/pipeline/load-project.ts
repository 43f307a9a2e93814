import {loadVariants, type ResolvedVariant} from '../../configs/load-config.ts';
import {readLock, type Lock} from '../../configs/lock-file.ts';
import {allSteps} from '../components/components.ts';
import type {CardContent} from '../components/content-work.ts';
import {wantedFolders, wantedImages, type ImagePins, type Pins} from '../components/pins.ts';
import {PipelineError} from '../errors.ts';
import {GitCache} from '../git/git-cache.ts';
import type {BuildOptions} from '../options.ts';
import {configLocation} from './config-location.ts';
import {canonicalJson} from './fingerprint.ts';
import {lockLocation} from './lock.ts';
import type {PinnedContent} from './pin-content.ts';
import {lockedImages, pinImages, type LockedImages} from './pin-images.ts';
import {lockedPins, pinSources, type LockedPins} from './pin-sources.ts';

/** A configuration with its lock, the commits of the git repositories and the digests of the images that it names. */
export interface Project extends ResolvedVariant {
  /** Where the lock lies; undefined when there is no place for one. */
  readonly lockFile: string | undefined;
  readonly lock: Lock | undefined;
  readonly pins: Pins;
  readonly imagePins: ImagePins;
  /** Where content_image is asked for. */
  readonly content: CardContent | undefined;
  readonly contentNotices: readonly string[];
  /** How the repositories and images differ from the lock's, one sentence each. */
  readonly pinDifferences: readonly string[];
}

export type ProjectOptions = Pick<
  BuildOptions,
  'target' | 'config' | 'variant' | 'components' | 'lockFile' | 'locked' | 'offline' | 'signal'
>;

/**
 * Reads what is to be built. Repositories and registries are asked for what the lock does not have, unless the build is
 * a strict one.
 *
 * @param refresh asks all of them, whatever the lock says.
 * @throws ConfigError for a configs.json or lock with mistakes.
 * @throws PipelineError `SOURCE_UNAVAILABLE` naming the repository, `REGISTRY_FAILED` naming the image, `USAGE` for a
 *   matrix of which no variant is chosen.
 */
export async function loadProject(options: ProjectOptions, refresh = false): Promise<Project> {
  const [project, ...others] = await loadProjects(options, refresh);
  if (project !== undefined && others.length === 0) return project;
  throw new PipelineError(
    'USAGE',
    `${project?.file ?? 'configs.json'} has a matrix: name one of its variants`,
    {
      hint: `--variant ${project?.variant ?? ''}; there are ${others.length + 1}. build and plan take all of them.`,
    },
  );
}

/**
 * The same for every variant of a matrix, or the one that `options.variant` names; a configuration without a matrix is
 * one project. Variants that ask for the same packages, repositories and images have one lock; another one has its own,
 * `hypriotkit.<variant>.lock`.
 */
export async function loadProjects(options: ProjectOptions, refresh = false): Promise<readonly Project[]> {
  const variants = await loadVariants(configLocation(options));
  const [first] = variants;
  const chosen = variants.filter(({variant}) => options.variant === undefined || variant === options.variant);
  if (chosen.length === 0) {
    const names = variants.flatMap(({variant}) => variant ?? []);
    throw new PipelineError('USAGE', `there is no variant "${options.variant ?? ''}"`, {
      hint: names.length === 0 ? 'The configuration has no matrix.' : `There is: ${names.join(', ')}.`,
    });
  }
  const projects: Project[] = [];
  for (const resolved of chosen) {
    const shared = lockLocation(resolved, options);
    const isShared = first === undefined || wishesOf(first) === wishesOf(resolved);
    const lockFile = isShared ? shared : shared?.replace(/(\.lock)?$/, `.${resolved.variant ?? ''}.lock`);
    const lock = lockFile === undefined ? undefined : await readLock(lockFile);
    const locked = lockedPins(refresh ? undefined : lock, resolved.components);
    const images = lockedImages(refresh ? undefined : lock, resolved.components);
    const content = await pinCardContent(resolved, lock, options);
    projects.push({
      ...resolved,
      lockFile,
      lock,
      pins: await pin(locked, options),
      imagePins: await pinRegistries(images, options),
      content: content?.content,
      contentNotices: content?.notices ?? [],
      pinDifferences: [...locked.differences, ...images.differences, ...(content?.differences ?? [])],
    });
  }
  return projects;
}

/** What a configuration takes from elsewhere: packages, repositories and images. */
function wishesOf({components, local}: ResolvedVariant): string {
  const lists = allSteps(components, local).filter((step) => step.resolves);
  return canonicalJson([wantedFolders(components), wantedImages(components), lists]);
}

/** As {@link pin}. The client is loaded only where there is something to ask: it takes long. */
async function pinRegistries(
  locked: LockedImages,
  {locked: isLocked, offline, signal}: ProjectOptions,
): Promise<ImagePins> {
  if (isLocked === true || offline === true || locked.open.length === 0) return locked.pins;
  const {RegistryCache} = await import('../registry/registry-cache.ts');
  const {openCache} = await import('../cache/download-cache.ts');
  return pinImages(locked, new RegistryCache(await openCache()), signal);
}

/** Asks what there is of the content of a card, where that is to be made. What that takes is loaded only then. */
async function pinCardContent(
  resolved: ResolvedVariant,
  lock: Lock | undefined,
  options: ProjectOptions,
): Promise<PinnedContent | undefined> {
  const {components = []} = options;
  const wanted: readonly string[] = components.length > 0 ? components : resolved.requested;
  if (!wanted.includes('content_image')) return undefined;
  const {pinContent} = await import('./pin-content.ts');
  return pinContent(resolved, lock, {
    isStrict: options.locked === true || options.offline === true,
    signal: options.signal,
  });
}

/** A strict build fails on what is not in the lock before it would need it. */
async function pin(locked: LockedPins, {locked: isLocked, offline, signal}: ProjectOptions): Promise<Pins> {
  if (isLocked === true || offline === true || locked.open.length === 0) return locked.pins;
  return pinSources(locked, new GitCache(), signal);
}
