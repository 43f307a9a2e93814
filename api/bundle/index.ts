/**
 * `hypriotkit/bundle`: update-agent bundles, and the archives of their images.
 */
export {PipelineError} from '../errors.ts';
export type {ErrorCode} from '../errors.ts';
export {ConfigError} from '../../configs/config-error.ts';
export type {ConfigIssue} from '../../configs/config-error.ts';
export {descriptionJsonSchema} from './description-schema.ts';
export type {Description} from './description-schema.ts';
export {initBundle} from './init.ts';
export {validateBundle} from './validate.ts';
export type {ValidDescription} from './validate.ts';
export {createBundle} from './create.ts';
export type {CreateBundleOptions, CreatedBundle} from './create.ts';
export {loadVerificationKey} from './signing-key.ts';
export {inspectBundle} from './verify.ts';
export type {BundleReport, SignedMember} from './verify.ts';
export {checkBundleImages, makeBundleImages} from './images.ts';
export type {BundleImage, BundleImagesOptions, CheckedImages, ImageOrigin, MadeImages} from './images.ts';
export {checkName} from './names.ts';
export type {NameCheck} from './names.ts';
export {parsePlatform} from '../registry/image-source.ts';
export type {Platform} from '../registry/image-source.ts';
