import type {Configs} from '../../configs/schema.ts';
import {gibibyte, packageList, withDigest, type Step} from './step.ts';

export const bootloaderArtifact = 'rpi-bootloader.tar.gz';

export function rpiBootloaderSteps({rpi_bootloader: config, base_image: base}: Configs): Step[] {
  const common = {
    component: 'rpi_bootloader',
    contract: 1,
    buildImage: 'rpi_bootloader',
    imageName: config.image,
  } as const;
  return [
    {
      ...common,
      name: 'rpi_bootloader.resolve',
      description: 'list of the packages with the firmware',
      command: ['/builder/resolve.sh'],
      settings: [{field: 'base_image.mirror', variable: 'MIRROR', value: base.mirror}],
      inputs: [],
      outputs: [{name: packageList, delivered: false}],
      network: true,
      resolves: true,
      memoryBytes: gibibyte,
    },
    {
      ...common,
      name: 'rpi_bootloader',
      description: 'Raspberry Pi firmware',
      command: ['/builder/build.sh'],
      settings: [],
      inputs: ['rpi_bootloader.resolve'],
      packagesOf: 'rpi_bootloader.resolve',
      outputs: [...withDigest(bootloaderArtifact), {name: 'packages.tsv', delivered: false}],
      network: false,
      memoryBytes: gibibyte,
    },
  ];
}
