import type {Configs} from '../../configs/schema.ts';
import {gibibyte, withDigest, type Step} from './step.ts';

export function rpiKernelSteps({rpi_kernel: config, base_image: base}: Configs): Step[] {
  return [
    {
      name: 'rpi_kernel',
      component: 'rpi_kernel',
      description: 'arm64 kernel, modules and initramfs',
      contract: 1,
      buildImage: 'rpi_kernel',
      imageName: config.image,
      command: ['/builder/build.sh'],
      settings: [{field: 'base_image.mirror', variable: 'MIRROR', value: base.mirror}],
      inputs: [],
      // The release, as `6.12.57+deb13-arm64`, is known only when the packages have been read.
      outputs: [
        ...withDigest('bootfiles.tar.gz'),
        {name: '*-arm64.tar.gz', delivered: true},
        {name: '*-arm64.tar.gz.sha256', delivered: true},
        {name: '*-arm64.config', delivered: true},
        {name: 'packages.tsv', delivered: false},
      ],
      network: true,
      memoryBytes: 2 * gibibyte,
    },
  ];
}
