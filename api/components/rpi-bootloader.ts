import type {Configs} from '../../configs/schema.ts';
import {checkoutStep} from './git-source.ts';
import {hypriotBootloader} from './hypriot-contract.ts';
import {noPins, pinOf, type Pins} from './pins.ts';
import {gibibyte, packageList, withDigest, type Step} from './step.ts';

export const bootloaderArtifact = 'rpi-bootloader.tar.gz';

export function rpiBootloaderSteps(configs: Configs, pins: Pins = noPins): Step[] {
  const {rpi_bootloader: config, base_image: base} = configs;
  if (config.repo !== 'builtin') return hypriotBootloader(configs, pins);
  const common = {
    component: 'rpi_bootloader',
    contract: 1,
    buildImage: 'rpi_bootloader',
    imageName: config.image,
  } as const;
  if (config.source === 'git') {
    const folder = pinOf(configs, pins, 'rpi_bootloader.firmware_repo');
    return [
      checkoutStep('rpi_bootloader', 'boot files of the firmware repository', folder),
      {
        ...common,
        name: 'rpi_bootloader',
        description: 'Raspberry Pi firmware from git',
        command: ['/builder/build-from-git.sh'],
        settings: [],
        inputs: ['rpi_bootloader.source'],
        outputs: withDigest(bootloaderArtifact),
        network: false,
        memoryBytes: gibibyte,
      },
    ];
  }
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
