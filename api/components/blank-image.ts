import {createHash} from 'node:crypto';
import {parseSize, type Configs} from '../../configs/schema.ts';
import {gibibyte, withDigest, type Step} from './step.ts';

export function blankImageSteps({blank_image: config}: Configs): Step[] {
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
