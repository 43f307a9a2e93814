/**
 * The library behind the `hypriotkit` command.
 *
 * @example
 * import {build} from 'hypriotkit';
 * const {delivered} = await build({target: './out', onEvent: (event) => console.error(event.type)});
 */
export type * from './options.ts';
export {defaultPackageVolume, defaultVolume} from './options.ts';
export type * from './events/event.ts';
export type * from './events/step-failure.ts';
export {PipelineError} from './errors.ts';
export type {ErrorCode} from './errors.ts';
export {build} from './pipeline/build.ts';
export {plan} from './pipeline/plan.ts';
export {status} from './pipeline/inspect.ts';
export {explain} from './pipeline/explain.ts';
export type {Explanation} from './pipeline/explain.ts';
export type {ExplainedStep} from './pipeline/explain-steps.ts';
export type {ExplainedInput, InputKind} from './pipeline/explain-inputs.ts';
export {verify} from './pipeline/verify.ts';
export type * from './pipeline/verify-result.ts';
export type {Difference} from './disk/difference.ts';
export {clean} from './pipeline/clean.ts';
export {destroyVolume, ensureImage, ensureVolume, getVolumeContent, upgradeImage} from './pipeline/volume.ts';
export {upgrade} from './pipeline/upgrade.ts';
export type {UpgradeOptions} from './pipeline/upgrade.ts';
export type {ImageOptions} from './pipeline/volume.ts';
export {bootImage} from './boot/boot-image.ts';
export {doctor} from './engine/doctor.ts';
export {flash} from './flash/flash.ts';
export type * from './flash/flash-options.ts';
export type * from './flash/flash-event.ts';
export {personalise} from './flash/personalise.ts';
export type {Personalisation, WifiNetwork} from './personalise/personalisation.ts';
export {listDevices} from './flash/list-devices.ts';
export type {BlockDevice} from './flash/block-device.ts';
