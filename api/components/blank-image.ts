import {createHash} from 'node:crypto';
import {parseSize, type Configs} from '../../configs/schema.ts';
import {hypriotBlankImage} from './hypriot-contract.ts';
import {noPins, type Pins} from './pins.ts';
import {gibibyte, withDigest, type Step} from './step.ts';

export function blankImageSteps(configs: Configs, pins: Pins = noPins): Step[] {
  const {blank_image: config} = configs;
  if (config.repo !== 'builtin') return hypriotBlankImage(configs, pins);
  const sizeBytes = parseSize(config.size);
  const bootBytes = parseSize(config.boot_size);
  // Disk id and UUIDs come from what the image is: the same image always has the same ones, another image others.
  const identity = createHash('sha256')
    .update(`blank_image ${config.device} ${sizeBytes} ${bootBytes}`)
    .digest('hex');
  return [
    {
      name: 'blank_image',
      component: 'blank_image',
      description: `empty ${config.size} image for ${config.device}`,
      contract: 1,
      buildImage: 'blank_image',
      imageName: config.image,
      command: [`/builder/${config.device}/build.sh`],
      settings: [
        {field: 'blank_image.size', variable: 'IMAGE_SIZE', value: String(sizeBytes)},
        {field: 'blank_image.boot_size', variable: 'BOOT_SIZE', value: String(bootBytes)},
        {field: 'blank_image', variable: 'IDENTITY', value: identity, derived: true},
      ],
      inputs: [],
      outputs: withDigest(`${config.device}-raw.img.zip`),
      network: false,
      memoryBytes: gibibyte,
    },
  ];
}
