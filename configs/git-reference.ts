/** A place in a git repository, as a person writes it: `<url>[#<ref>[:<folder>]]`. */
export interface GitReference {
  /** Address of the repository. */
  readonly repository: string;
  /** Branch, tag or full commit id; `HEAD`, which is the default, is the repository's default branch. */
  readonly ref: string;
  /** Folder inside the repository, without slashes at its ends; empty for the root. Undefined when none is named. */
  readonly folder: string | undefined;
}

const reference = /^(?<repository>[^#\s]+)(?:#(?<ref>[^:\s]*)(?::(?<folder>\S*))?)?$/;

/** Schemes that git itself speaks, and the short form of ssh. */
const repository = /^(?:(?:https?|ssh|git|file):\/\/[!-~]+|[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:[!-~]+)$/;

/** The part of git's rules for names (check-ref-format) that people use, or a commit id. */
const ref = /^[A-Za-z0-9](?:[A-Za-z0-9._/+-]*[A-Za-z0-9_+-])?$/;

/**
 * Takes `<url>[#<ref>[:<folder>]]` apart.
 *
 * @returns undefined when it is not of that form.
 * @example parseGitReference('https://example.org/os-rootfs.git#v2:images/rootfs')
 */
export function parseGitReference(text: string): GitReference | undefined {
  const found = reference.exec(text)?.groups;
  if (found === undefined) return undefined;
  const {repository: address = '', ref: name = '', folder} = found;
  if (!isGitRepository(address)) return undefined;
  if (name !== '' && !isGitRef(name)) return undefined;
  const parts = folder?.split('/').filter((part) => part !== '' && part !== '.') ?? [];
  if (parts.includes('..') || parts.some((part) => /[^\w.+@ -]/.test(part))) return undefined;
  return {
    repository: address,
    ref: name === '' ? 'HEAD' : name,
    folder: folder === undefined ? undefined : parts.join('/'),
  };
}

/** Whether `text` is an address that git can clone from. */
export function isGitRepository(text: string): boolean {
  return repository.test(text) && !text.includes('#');
}

/** Whether `text` can be the name of a branch or tag, or a commit id. */
export function isGitRef(text: string): boolean {
  return ref.test(text) && !text.includes('..') && !text.includes('//');
}

/** Whether `text` is a whole commit id, which means the same for ever (SHA-1, or SHA-256 in newer repositories). */
export function isCommitId(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}
