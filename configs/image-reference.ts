/** Names an image: `[registry/]repository[:tag][@digest]`. */
export interface ImageReference {
  /** Host and port; `docker.io` when the name has none. */
  readonly registry: string;
  /** With the `library/` that short names of docker.io have. */
  readonly repository: string;
  readonly tag?: string;
  /** `sha256:…` */
  readonly digest?: string;
}

/** The registry of names without one. */
const defaultRegistry = 'docker.io';

// The grammar of distribution/reference: lower case, separators only between two alphanumeric runs.
const repositoryPattern =
  /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const registryPattern =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
const tagPattern = /^\w[\w.-]{0,127}$/;
const digestPattern = /^sha256:[0-9a-f]{64}$/;

/** The parts of a reference; undefined for text that is none. */
export function parseImageReference(text: string): ImageReference | undefined {
  if (text.length > 512) return undefined;
  const at = text.indexOf('@');
  const digest = at === -1 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !digestPattern.test(digest)) return undefined;
  const named = at === -1 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  if (tag !== undefined && !tagPattern.test(tag)) return undefined;
  const name = hasTag ? named.slice(0, colon) : named;
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const hasRegistry = first === 'localhost' || /[.:]/.test(first) || /[A-Z]/.test(first);
  const registry = hasRegistry ? first : defaultRegistry;
  const path = hasRegistry ? name.slice(slash + 1) : name;
  if (!registryPattern.test(registry) || !repositoryPattern.test(path)) return undefined;
  // An id of an image, which no registry takes for a name.
  if (!hasRegistry && slash === -1 && /^[0-9a-f]{64}$/.test(path)) return undefined;
  const repository = registry === defaultRegistry && !path.includes('/') ? `library/${path}` : path;
  return {registry, repository, ...(tag !== undefined && {tag}), ...(digest !== undefined && {digest})};
}

/** The complete text of a reference, as registries and engines all understand it. */
export function formatImageReference({registry, repository, tag, digest}: ImageReference): string {
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/**
 * The name under which an archive holds the image; undefined for one that is named by its digest alone, because
 * archives know tags only.
 */
export function archiveName({registry, repository, tag, digest}: ImageReference): string | undefined {
  if (tag === undefined && digest !== undefined) return undefined;
  return `${registry}/${repository}:${tag ?? 'latest'}`;
}
