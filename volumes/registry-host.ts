/** What a registry has under a tag. */
export interface TaggedManifest {
  /** `sha256:…` */
  readonly digest: string;
  readonly content: Buffer;
}

/**
 * What the store needs from one repository of a registry. Implemented on HTTP by `api/registry`; the store itself knows
 * no network. Everything rejects with an error that a user understands when the registry cannot do it.
 */
export interface RegistryHost {
  /** How the user calls the repository. */
  readonly label: string;

  /** The manifest of a tag, checked against the digest that the registry promises; undefined when there is none. */
  readManifest(tag: string): Promise<TaggedManifest | undefined>;

  /** Names a manifest whose blobs all exist. A tag that exists is moved. */
  writeManifest(tag: string, content: Buffer): Promise<void>;

  /** Reads a blob of that size and digest (`sha256:…`), checked; undefined when the registry has none. */
  readBlob(digest: string, size: number): Promise<Buffer | undefined>;

  /** Sends a blob, unless it is there. */
  writeBlob(digest: string, content: Buffer): Promise<'sent' | 'known'>;

  /** Every tag of the repository. */
  listTags(): AsyncIterable<string>;

  /** Removes a manifest (`sha256:…`) with all of its tags; false when the registry has none. */
  removeManifest(digest: string): Promise<boolean>;
}
