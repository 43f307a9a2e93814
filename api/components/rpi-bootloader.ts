import type {Configs} from '../../configs/schema.ts';
import {gibibyte, withDigest, type Step} from './step.ts';

export const bootloaderArtifact = 'rpi-bootloader.tar.gz';

export function rpiBootloaderSteps({rpi_bootloader: config, base_image: base}: Configs): Step[] {
  return [
    {
      name: 'rpi_bootloader',
      component: 'rpi_bootloader',
      description: 'Raspberry Pi firmware',
      contract: 1,
      buildImage: 'rpi_bootloader',
      imageName: config.image,
      command: ['/builder/build.sh'],
      settings: [{field: 'base_image.mirror', variable: 'MIRROR', value: base.mirror}],
      inputs: [],
      outputs: [...withDigest(bootloaderArtifact), {name: 'packages.tsv', delivered: false}],
      network: true,
      memoryBytes: gibibyte,
    },
  ];
}
