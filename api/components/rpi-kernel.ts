import {createHash} from 'node:crypto';
import type {Configs} from '../../configs/schema.ts';
import {checkoutStep} from './git-source.ts';
import {hypriotKernel} from './hypriot-contract.ts';
import {kernelOutputs} from './kernel-outputs.ts';
import {noPins, pinOf, type Pins} from './pins.ts';
import {gibibyte, packageList, type Step} from './step.ts';

export function rpiKernelSteps(configs: Configs, pins: Pins = noPins): Step[] {
  const {rpi_kernel: config, base_image: base} = configs;
  if (config.repo !== 'builtin') return hypriotKernel(configs, pins);
  const common = {
    component: 'rpi_kernel',
    contract: 1,
    buildImage: 'rpi_kernel',
    imageName: config.image,
  } as const;
  const resolve = {
    ...common,
    name: 'rpi_kernel.resolve',
    settings: [{field: 'base_image.mirror', variable: 'MIRROR', value: base.mirror}],
    inputs: [],
    outputs: [{name: packageList, delivered: false}],
    network: true,
    resolves: true,
    memoryBytes: gibibyte,
  } as const;
  if (config.source === 'git') {
    return [
      {
        ...resolve,
        description: 'list of the packages with the compiler',
        command: ['/builder/resolve-compiler.sh'],
      },
      ...fromGit(configs, pins, common),
    ];
  }
  return [
    {...resolve, description: 'list of the packages with the kernel', command: ['/builder/resolve.sh']},
    {
      ...common,
      name: 'rpi_kernel',
      description: 'arm64 kernel, modules and initramfs',
      command: ['/builder/build.sh'],
      settings: [],
      inputs: ['rpi_kernel.resolve'],
      packagesOf: 'rpi_kernel.resolve',
      // As in `6.12.57+deb13-arm64`.
      outputs: [...kernelOutputs('*-arm64'), {name: 'packages.tsv', delivered: false}],
      network: false,
      memoryBytes: 2 * gibibyte,
    },
  ];
}

function fromGit(
  configs: Configs,
  pins: Pins,
  common: Pick<Step, 'component' | 'contract' | 'buildImage' | 'imageName'>,
): Step[] {
  const {rpi_kernel: config} = configs;
  const folder = pinOf(configs, pins, 'rpi_kernel.branch');
  // Not shared between repositories: whoever can change one must not be able to change what another one makes.
  const cache = createHash('sha256').update(folder.repository).digest('hex').slice(0, 32);
  return [
    checkoutStep('rpi_kernel', `source of the kernel, ${folder.ref}`, folder),
    {
      ...common,
      name: 'rpi_kernel',
      description: `arm64 kernel from ${folder.ref}`,
      command: ['/builder/build-from-git.sh'],
      settings: [
        {field: 'rpi_kernel.defconfig', variable: 'DEFCONFIG', value: config.defconfig},
        {
          field: 'rpi_kernel.kernel_config',
          variable: 'KERNEL_CONFIG',
          value: config.kernel_config.join('\n'),
        },
      ],
      inputs: ['rpi_kernel.resolve', 'rpi_kernel.source'],
      packagesOf: 'rpi_kernel.resolve',
      outputs: [...kernelOutputs('*-hypriotos'), {name: 'packages.tsv', delivered: false}],
      network: false,
      memoryBytes: 6 * gibibyte,
      ...(config.ccache && {cache: {folder: `ccache/${cache}`, target: '/ccache'}}),
    },
  ];
}
