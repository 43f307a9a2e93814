import type {DockerImages} from '../../docker/images.ts';
import {ImageOperationError} from '../../docker/images.ts';
import type {RegistryLogin} from '../../docker/swarm.ts';
import {PipelineError} from '../../errors.ts';

/** Where the build images of a swarm's workers lie. */
export interface ImageRepository {
  /** `registry:5000/team/images` */
  readonly name: string;
  readonly login: RegistryLogin | undefined;
  /** Digest of what a tag names; undefined when there is none. */
  readonly find: (tag: string) => Promise<string | undefined>;
}

/** The tag of a build image in the registry. The engine's own one says everything that it is made from. */
export function imageTag(reference: string, architecture: string): string {
  const [name = '', tag = 'latest'] = reference.replace(/^.*\//, '').split(':');
  return `image-${name}-${tag}-${architecture}`;
}

/**
 * Makes sure that the registry has a build image of the engine.
 *
 * @returns its reference by digest, for every node of a swarm.
 * @throws PipelineError `REGISTRY_FAILED`.
 */
export async function ensurePushed(
  images: DockerImages,
  reference: string,
  architecture: string,
  repository: ImageRepository,
  signal: AbortSignal,
): Promise<string> {
  const tag = imageTag(reference, architecture);
  const digest = await repository.find(tag);
  if (digest !== undefined) return `${repository.name}@${digest}`;
  return pushImage(images, reference, tag, repository, signal);
}

/**
 * Lets the engine send an image to the registry, under a tag.
 *
 * @returns its reference by digest.
 * @throws PipelineError `REGISTRY_FAILED`.
 */
export async function pushImage(
  images: DockerImages,
  reference: string,
  tag: string,
  repository: ImageRepository,
  signal: AbortSignal,
): Promise<string> {
  const name = `${repository.name}:${tag}`;
  await images.tag(reference, name);
  try {
    await images.push(name, repository.login, signal);
  } catch (error) {
    if (!(error instanceof ImageOperationError)) throw error;
    throw new PipelineError(
      'REGISTRY_FAILED',
      `the engine cannot push to ${repository.name}: ${error.message}`,
      {hint: hintFor(error.message), cause: error},
    );
  } finally {
    await images.remove(name);
  }
  const digest = await repository.find(tag);
  if (digest !== undefined) return `${repository.name}@${digest}`;
  throw new PipelineError(
    'REGISTRY_FAILED',
    `${repository.name} does not have the image that was pushed to it`,
    {hint: 'Do the engine and this machine mean the same registry by that name?'},
  );
}

function hintFor(message: string): string {
  if (/HTTP response to HTTPS client/.test(message)) {
    return 'The registry has no TLS: name it in "insecure-registries" of /etc/docker/daemon.json on every node.';
  }
  if (/certificate signed by unknown authority|x509/.test(message)) {
    return "Every node needs the certificate of the registry's authority in /etc/docker/certs.d/HOST:PORT/ca.crt.";
  }
  return 'Does the engine reach the registry under that name, and may it write there (docker login)?';
}
