/**
 * `hypriotkit/ota`: OTA images, version 1 and legacy, and media with them for devices without a network.
 */
export * from './image/index.ts';
export {LegacyImage} from './legacy/legacy-image.ts';
export type {DirectoryLine, RegularLine, SymlinkLine} from './legacy/text-files.ts';
export type {LegacyMetadata} from './legacy/metadata-jwt.ts';
export {buildLegacyImage} from './legacy/build-legacy.ts';
export type {BuildLegacyOptions, BuiltLegacy} from './legacy/build-legacy.ts';
export {verifyLegacyImage} from './legacy/verify-legacy.ts';
export type {VerifiedLegacy, VerifyLegacyOptions} from './legacy/verify-legacy.ts';
export {deployLegacyImage} from './legacy/deploy-legacy.ts';
export {packBundle} from './packer/pack.ts';
export type {PackOptions as PackBundleOptions} from './packer/pack.ts';
export type {BundleManifest} from './packer/bundle-plan.ts';
export type {PackerImage} from './packer/packer-input.ts';
export {cacheSourceLabel, writeCacheSource} from './packer/write-cache-source.ts';
export type {WriteCacheSourceOptions} from './packer/write-cache-source.ts';
export type {MediumTarget} from './packer/medium-target.ts';
