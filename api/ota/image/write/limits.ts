/** The rules by which blobs are made smaller; but for the first those of the reference, so that devices see images of the same kind. */
export const limits = {
  /**
   * Files over the size that is kept in the file table, up to this one, are bundled. Twice as large as the reference's: of a
   * Debian, files between both take 30 % less room in a bundle than one by one.
   */
  maxBundledBytes: 16 * 1024,
  /** A bundle is closed by the file that takes it over this. */
  bundleBytes: 32 * 1024 * 1024,
  /** The last bundle is only made if it has so many files. */
  minBundledFiles: 128,
  /** No more bundles once those before take more than this, compressed. */
  maxBundlesBytes: 64 * 1024 * 1024,
  /** Up to this size nothing is compressed. */
  minCompressedBytes: 1024,
  /** How many times smaller compression must make a file. */
  minRatio: 1.25,
  /** Blobs over this are cut into slices of the size below. */
  maxBlobBytes: 64 * 1024 * 1024,
  sliceBytes: 48 * 1024 * 1024,
} as const;
