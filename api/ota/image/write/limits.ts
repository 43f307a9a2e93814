/**
 * The rules by which blobs are made smaller. Those of bundles are not the reference's, which bundles files up to 8 KiB in pieces
 * of 32 MiB: of a Debian, files between 8 and 20 KiB take 30 % less room in a bundle than one by one, and of small bundles
 * a device needs to fetch fewer bytes for one file, for 0.5 % more in all.
 */
export const limits = {
  /** Files over the size that is kept in the file table, up to this one, are bundled. */
  maxBundledBytes: 20 * 1024,
  /** A bundle is closed by the file that takes it over this; so it is never larger than 8 MiB. */
  bundleBytes: 8 * 1024 * 1024 - 20 * 1024,
  /** The last bundle is only made if it has so many files. */
  minBundledFiles: 128,
  /** What does not go into so many bundles stays as it is. */
  maxBundles: 32,
  /** Up to this size nothing is compressed. */
  minCompressedBytes: 1024,
  /** How many times smaller compression must make a file. */
  minRatio: 1.25,
  /** Blobs over this are cut into slices of the size below. */
  maxBlobBytes: 64 * 1024 * 1024,
  sliceBytes: 48 * 1024 * 1024,
} as const;
