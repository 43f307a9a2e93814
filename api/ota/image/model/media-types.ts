const oci = 'application/vnd.oci.image';
const fileBased = 'application/vnd.tier4.ota.file-based-ota-image';
const releasePackage = 'application/vnd.tier4.otaclient.release-package';

/** The media types of everything that an image can hold. `…Zstd`: the blob is one zstd frame of the thing. */
export const mediaTypes = {
  imageIndex: `${oci}.index.v1+json`,
  imageManifest: `${oci}.manifest.v1+json`,
  imageConfig: `${fileBased}.config.v1+json`,
  fileTable: `${fileBased}.file_table.v1.sqlite3`,
  fileTableZstd: `${fileBased}.file_table.v1.sqlite3+zstd`,
  resourceTable: `${fileBased}.resource_table.v1.sqlite3`,
  resourceTableZstd: `${fileBased}.resource_table.v1.sqlite3+zstd`,
  sysConfig: 'application/vnd.tier4.ota.sys-config.v1+yaml',
  /** What early tools wrote for a sys config; read, never written. */
  sysConfigOld: `${fileBased}.config.v1+yaml`,
  /** Both of the descriptor in the index and of the package's own list of files. */
  otaclientManifest: `${releasePackage}.manifest.v1+json`,
  otaclientApp: `${releasePackage}.v1.squashfs`,
} as const;

/** What a descriptor of the index says about the thing behind its manifest. */
export const artifactTypes = {
  fileBasedImage: `${fileBased}.v1`,
  otaclientPackage: `${releasePackage}.v1`,
  /** Announced upstream; recognised so that it can be refused by name. */
  partitionBasedImage: 'application/vnd.tier4.ota.partition-based-ota-image.v1',
} as const;
