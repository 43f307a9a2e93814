/** What an entry is, which decides the level of the policy that it belongs to: `files`, `oci_images`, or the main one alone. */
export type CacheKind = 'file' | 'oci_image' | 'git';

/** What an entry is found by. */
export interface CacheKey {
  readonly kind: CacheKind;
  /** The address it was asked for by (never a mirror's), or the reference of an OCI image: what patterns of a policy match. */
  readonly source: string;
}

/** What a server said about the content when it was fetched, by which a change is noticed. */
export interface Validator {
  /** As sent, with its quotes; only strong ones. */
  readonly etag?: string | undefined;
  /** As sent. */
  readonly lastModified?: string | undefined;
  /** Digest of an OCI image's manifest, `sha256:…`. */
  readonly digest?: string | undefined;
}

/** A file of the cache, named by its content. Entries may share it. */
export interface CacheBlob {
  /** Hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** One thing in the cache. Times are ISO 8601 in UTC. */
export interface CacheEntry extends CacheKey {
  /** Of a file, one. Of an OCI image its manifest, its configuration and its layers as they were sent. */
  readonly blobs: readonly CacheBlob[];
  /** Of all its blobs. */
  readonly sizeBytes: number;
  readonly validator: Validator;
  readonly addedOn: string;
  readonly lastUsedOn: string;
  /** When the server was last asked whether it still is the same. */
  readonly lastCheckedOn: string;
  /** How often it has been used since it was added. */
  readonly uses: number;
}

/** A blob that nobody removes from the cache until it is released. */
export interface BlobLease extends AsyncDisposable {
  readonly blob: CacheBlob;
  /** Read-only: writing to it would damage the cache. */
  readonly path: string;
  /** May be called again. */
  release(): Promise<void>;
}

/** An entry whose blobs nobody removes from the cache until it is released. */
export interface EntryLease extends AsyncDisposable {
  readonly entry: CacheEntry;
  /** Of its blobs, in their order; read-only. */
  readonly paths: readonly string[];
  /** May be called again. */
  release(): Promise<void>;
}
