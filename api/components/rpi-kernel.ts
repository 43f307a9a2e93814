import type {Configs} from '../../configs/schema.ts';
import {gibibyte, packageList, withDigest, type Step} from './step.ts';

export function rpiKernelSteps({rpi_kernel: config, base_image: base}: Configs): Step[] {
  const common = {
    component: 'rpi_kernel',
    contract: 1,
    buildImage: 'rpi_kernel',
    imageName: config.image,
  } as const;
  return [
    {
      ...common,
      name: 'rpi_kernel.resolve',
      description: 'list of the packages with the kernel',
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
      name: 'rpi_kernel',
      description: 'arm64 kernel, modules and initramfs',
      command: ['/builder/build.sh'],
      settings: [],
      inputs: ['rpi_kernel.resolve'],
      packagesOf: 'rpi_kernel.resolve',
      // The release, as `6.12.57+deb13-arm64`, is known only when the packages have been read.
      outputs: [
        ...withDigest('bootfiles.tar.gz'),
        {name: '*-arm64.tar.gz', delivered: true},
        {name: '*-arm64.tar.gz.sha256', delivered: true},
        {name: '*-arm64.config', delivered: true},
        {name: 'packages.tsv', delivered: false},
      ],
      network: false,
      memoryBytes: 2 * gibibyte,
    },
  ];
}
