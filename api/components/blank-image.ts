import {createHash} from 'node:crypto';
import {smallestRoot} from '../../configs/rules.ts';
import {parseSize, type Configs} from '../../configs/schema.ts';
import {hypriotBlankImage} from './hypriot-contract.ts';
import {noPins, type Pins} from './pins.ts';
import {gibibyte, optional, withDigest, type Setting, type Step} from './step.ts';

/** Told only where it is not what the scripts take for granted. */
function layoutSettings({blank_image: config}: Configs): Setting[] {
  const alignment = config.alignment === '4MiB' ? '' : String(parseSize(config.alignment));
  return [
    ...optional('blank_image.layout', 'LAYOUT', config.layout === 'single' ? '' : config.layout),
    ...optional('blank_image.alignment', 'ALIGNMENT', alignment),
  ];
}

/**
 * What `rpi_sd_image` must know when it is to decide the size: the content is known only there. The blank image then
 * describes the layout, with root partitions of the smallest size.
 */
export function sizeSettings({blank_image: config}: Configs): Setting[] {
  if (config.size !== 'auto') return [];
  const alignment = config.alignment === '4MiB' ? '' : String(parseSize(config.alignment));
  return [
    {field: 'blank_image.reserve', variable: 'ROOT_RESERVE', value: String(parseSize(config.reserve))},
    ...optional('blank_image.alignment', 'ALIGNMENT', alignment),
  ];
}

function imageBytes({blank_image: config}: Configs): number {
  if (config.size !== 'auto') return parseSize(config.size);
  const roots = config.layout === 'ab' ? 2 : 1;
  return parseSize(config.alignment) + parseSize(config.boot_size) + roots * smallestRoot;
}

export function blankImageSteps(configs: Configs, pins: Pins = noPins): Step[] {
  const {blank_image: config} = configs;
  if (config.repo !== 'builtin') return hypriotBlankImage(configs, pins);
  const sizeBytes = imageBytes(configs);
  const bootBytes = parseSize(config.boot_size);
  const layout = layoutSettings(configs);
  // Disk id and UUIDs come from what the image is: the same image always has the same ones, another image others.
  const identity = createHash('sha256')
    .update(['blank_image', config.device, sizeBytes, bootBytes, ...layout.map(({value}) => value)].join(' '))
    .digest('hex');
  return [
    {
      name: 'blank_image',
      component: 'blank_image',
      description:
        config.size === 'auto'
          ? `layout for ${config.device}`
          : `empty ${config.size} image for ${config.device}`,
      contract: 1,
      buildImage: 'blank_image',
      imageName: config.image,
      command: [`/builder/${config.device}/build.sh`],
      settings: [
        {field: 'blank_image.size', variable: 'IMAGE_SIZE', value: String(sizeBytes)},
        {field: 'blank_image.boot_size', variable: 'BOOT_SIZE', value: String(bootBytes)},
        ...layout,
        {field: 'blank_image', variable: 'IDENTITY', value: identity, derived: true},
      ],
      inputs: [],
      outputs: withDigest(`${config.device}-raw.img.zip`),
      network: false,
      memoryBytes: gibibyte,
    },
  ];
}
