/** As they are called in the configuration of content images. */
export type ChecksumAlgorithm = 'sha-1' | 'sha-224' | 'sha-256' | 'sha-384' | 'sha-512' | 'md5' | 'adler32';

export const checksumAlgorithms: readonly ChecksumAlgorithm[] = [
  'sha-1',
  'sha-224',
  'sha-256',
  'sha-384',
  'sha-512',
  'md5',
  'adler32',
];

/** What a download has to hash to. */
export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  /** Hex, or the http(s) address of a text whose first word is it: see `kind`. */
  readonly value: string;
  readonly kind: 'digest' | 'url';
}

/** A file that is wanted. */
export interface DownloadRequest {
  /** What events and results call it; unique in a run. */
  readonly id: string;
  /** `http:`, `https:` or `file:`. A `.meta4` or `.metalink` stands for the file that it describes. */
  readonly url: string;
  /** Other addresses of the same bytes, tried in their order when `url` fails. */
  readonly mirrors?: readonly string[] | undefined;
  readonly checksum?: Checksum | undefined;
  /** Exactly so many bytes; anything else is an error. */
  readonly sizeBytes?: number | undefined;
  /** No more than so many bytes. */
  readonly mostBytes?: number | undefined;
  /**
   * Where the file is wanted. It must not exist. A clone where the file system can, so it may be written to; removed
   * when the run fails because of another file.
   */
  readonly destination?: string | undefined;
}

/** A file that is there. */
export interface Downloaded {
  readonly id: string;
  /** `destination` where one was given; else read-only, in the cache or in the scratch folder. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Hex. Absent for a local file without a checksum: nothing has read it. */
  readonly sha256: string | undefined;
  /** `local`: of a `file:` address, whose path is that of the file itself unless there is a destination. */
  readonly from: 'network' | 'cache' | 'local';
  /** Content bytes that came over the network in this run. */
  readonly receivedBytes: number;
  /** The path is not used any more: a file in the scratch folder is removed, one in the cache may be evicted. May be called again. */
  release(): Promise<void>;
}

/** What is known about an address without downloading it. */
export interface Probe {
  readonly id: string;
  readonly url: string;
  readonly isReachable: boolean;
  /** Absent when the server does not say. */
  readonly sizeBytes: number | undefined;
  /** Whether a run would take it from the cache. */
  readonly isCached: boolean;
  /** Why it is not reachable, in words. */
  readonly problem: string | undefined;
}
