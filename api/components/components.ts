import {componentNames, type ComponentName, type Configs} from '../../configs/schema.ts';
import {noLocalFiles, type LocalFiles} from '../../configs/local-files.ts';
import {findNearestName} from '../../configs/nearest-name.ts';
import {PipelineError} from '../errors.ts';
import {contentImageSteps} from './content-image.ts';
import {noContent, type CardContent} from './content-work.ts';
import {blankImageSteps} from './blank-image.ts';
import {rootFsSteps} from './root-fs.ts';
import {rpiBootloaderSteps} from './rpi-bootloader.ts';
import {rpiKernelSteps} from './rpi-kernel.ts';
import {rpiSdImageSteps} from './rpi-sd-image.ts';
import {otaBundlerSteps} from './ota-bundler.ts';
import {noImagePins, noPins, type ImagePins, type Pins} from './pins.ts';
import type {Step} from './step.ts';

/** The step that every other one needs: it makes an image, not artifacts, so it is no container run. */
export const baseImageStep = 'base_image';

/**
 * Every step of every component for one configuration.
 *
 * @param local the files beside configs.json that it names.
 * @param pins the commits of the git repositories that it names.
 * @param imagePins the digests of the Docker images that it names.
 * @param content what content_image puts on the card.
 */
export function allSteps(
  configs: Configs,
  local: LocalFiles = noLocalFiles,
  pins: Pins = noPins,
  imagePins: ImagePins = noImagePins,
  content: CardContent = noContent,
): Step[] {
  return [
    ...rootFsSteps(configs, local, pins),
    ...blankImageSteps(configs, pins),
    ...rpiBootloaderSteps(configs, pins),
    ...rpiKernelSteps(configs, pins),
    ...rpiSdImageSteps(configs, local, pins, imagePins),
    ...contentImageSteps(configs, content),
    ...otaBundlerSteps(configs, local),
  ];
}

/**
 * Checks component names that a user gave.
 *
 * @throws PipelineError `USAGE` naming the unknown one and the known ones.
 */
export function parseComponentNames(names: readonly string[]): ComponentName[] {
  for (const name of names) {
    if (!(componentNames as readonly string[]).includes(name)) {
      const suggestion = findNearestName(name, componentNames);
      throw new PipelineError('USAGE', `there is no component "${name}"`, {
        hint:
          suggestion === undefined
            ? `The components are ${componentNames.join(', ')}.`
            : `Did you mean "${suggestion}"?`,
      });
    }
  }
  return componentNames.filter((name) => names.includes(name));
}
