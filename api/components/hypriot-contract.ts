import type {ComponentName, Configs} from '../../configs/schema.ts';
import {kernelOutputs} from './kernel-outputs.ts';
import {pinOf, type Pins} from './pins.ts';
import {rootFsTarget} from './root-fs-settings.ts';
import {gibibyte, withDigest, type HandedFile, type Output, type Setting, type Step} from './step.ts';

/*
 * Components whose build image comes from a git repository in the shape of Hypriot's: environment, files and commands
 * are those that hypriot-kit gave to hypriot/os-rootfs, image-builder-raw, rpi-bootloader, rpi64-kernel and
 * image-builder-rpi64.
 */

/** Tells the commit of `base_image.repo`: for the identity, the scripts have no use for it. */
export const baseVariable = 'BASE_IMAGE_COMMIT';

interface Described {
  readonly component: Exclude<ComponentName, 'content_image' | 'ota-bundler'>;
  readonly description: string;
  readonly settings: readonly Setting[];
  readonly outputs: readonly Output[];
  readonly command?: readonly string[];
  readonly inputs?: readonly string[];
  readonly handed?: readonly HandedFile[];
  readonly privileges?: string;
}

function hypriotStep(configs: Configs, pins: Pins, described: Described): Step {
  const {component, description, settings, outputs, command, inputs, handed, privileges} = described;
  return {
    name: component,
    component,
    description,
    contract: 1,
    buildImage: component,
    imageName: configs[component].image,
    command: command ?? [],
    settings: [...settings, ...baseSettings(configs, pins)],
    inputs: inputs ?? [],
    outputs,
    network: true,
    memoryBytes: 6 * gibibyte,
    repository: pinOf(configs, pins, `${component}.repo`),
    hypriot: {handed: handed ?? [], ...(privileges !== undefined && {privileges})},
  };
}

/** What its Dockerfile starts from, where that is a repository too. */
function baseSettings(configs: Configs, pins: Pins): Setting[] {
  if (configs.base_image.repo === 'builtin') return [];
  const {commit, folder} = pinOf(configs, pins, 'base_image.repo');
  return [{field: 'base_image.repo', variable: baseVariable, value: `${commit} ${folder}`.trim()}];
}

/** As hypriot/os-rootfs; the name of its output always has the variant in it. */
export function hypriotRootFs(configs: Configs, pins: Pins): Step[] {
  const {root_fs: config} = configs;
  const {architecture, variant, emulator} = rootFsTarget(configs);
  return [
    hypriotStep(configs, pins, {
      component: 'root_fs',
      description: 'root file system of a repository',
      settings: [
        {field: 'root_fs.target', variable: 'BUILD_ARCH', value: architecture},
        {field: 'root_fs.target', variable: 'QEMU_ARCH', value: emulator},
        {field: 'root_fs.target', variable: 'VARIANT', value: variant},
        {field: 'root_fs.version', variable: 'HYPRIOT_OS_VERSION', value: config.version},
        {field: 'root_fs.hostname', variable: 'HYPRIOT_HOSTNAME', value: config.hostname},
        {field: 'root_fs.groupname', variable: 'HYPRIOT_GROUPNAME', value: config.groupname},
        {field: 'root_fs.username', variable: 'HYPRIOT_USERNAME', value: config.username},
        {field: 'root_fs.password', variable: 'HYPRIOT_PASSWORD', value: config.password, secret: true},
      ],
      outputs: withDigest(`rootfs-${architecture}-${variant}-${config.version}.tar.gz`),
      privileges: 'mounting /proc, /sys and /dev in a chroot',
    }),
  ];
}

/** As hypriot/image-builder-raw. */
export function hypriotBlankImage(configs: Configs, pins: Pins): Step[] {
  const {device} = configs.blank_image;
  return [
    hypriotStep(configs, pins, {
      component: 'blank_image',
      description: `empty image for ${device} of a repository`,
      command: [`/builder/${device}/build.sh`],
      settings: [{field: 'blank_image.device', variable: 'DEVICE', value: device}],
      outputs: withDigest(`${device}-raw.img.zip`),
      privileges: 'loop devices and the device mapper',
    }),
  ];
}

/** As DieterReuter/rpi-bootloader. */
export function hypriotBootloader(configs: Configs, pins: Pins): Step[] {
  return [
    hypriotStep(configs, pins, {
      component: 'rpi_bootloader',
      description: 'Raspberry Pi firmware of a repository',
      settings: [
        {field: 'rpi_bootloader', variable: 'TIMESTAMP_OUTPUT', value: 'false', derived: true},
        {
          field: 'rpi_bootloader.firmware_repo',
          variable: 'FIRMWARE_REPO',
          value: configs.rpi_bootloader.firmware_repo,
        },
      ],
      outputs: withDigest('rpi-bootloader.tar.gz'),
    }),
  ];
}

/** As DieterReuter/rpi64-kernel. */
export function hypriotKernel(configs: Configs, pins: Pins): Step[] {
  const {rpi_kernel: config} = configs;
  return [
    hypriotStep(configs, pins, {
      component: 'rpi_kernel',
      description: 'kernel of a repository',
      settings: [
        {field: 'rpi_kernel', variable: 'TIMESTAMP_OUTPUT', value: 'false', derived: true},
        {field: 'rpi_kernel.kernel_repo', variable: 'RPI_KERNEL_REPO', value: config.kernel_repo},
        {field: 'rpi_kernel.branch', variable: 'RPI_KERNEL_BRANCH', value: config.branch},
        {field: 'rpi_kernel.defconfig', variable: 'DEFCONFIG', value: config.defconfig},
      ],
      outputs: kernelOutputs('*-hypriotos*'),
    }),
  ];
}

/** As DieterReuter/image-builder-rpi64: takes what the other components made, from the same flat folder. */
export function hypriotSdImage(configs: Configs, pins: Pins): Step[] {
  const {rpi_sd_image: config} = configs;
  const image = `hypriotos-rpi64-${config.version}.img.zip`;
  // Its tar would replace the link /lib of a system with a merged /usr by the folder that lies in the tarball.
  const kernel = configs.rpi_kernel.repo === 'builtin' ? 'rpi_kernel.merged' : 'rpi_kernel';
  const companions = ['root_fs', 'blank_image', 'rpi_bootloader', kernel].map((step) => ({
    step,
    pattern: '*.sha256',
  }));
  return [
    ...(kernel === 'rpi_kernel' ? [] : [mergedKernel(configs)]),
    hypriotStep(configs, pins, {
      component: 'rpi_sd_image',
      description: `SD card image ${image} of a repository`,
      settings: [
        {field: 'rpi_sd_image', variable: 'FETCH_MISSING_ARTIFACTS', value: 'false', derived: true},
        {field: 'rpi_sd_image.version', variable: 'VERSION', value: config.version},
        ...(['docker_engine_version', 'docker_compose_version', 'docker_machine_version'] as const).map(
          (name) => ({field: `rpi_sd_image.${name}`, variable: name.toUpperCase(), value: config[name]}),
        ),
      ],
      inputs: ['root_fs', 'blank_image', 'rpi_bootloader', kernel],
      handed: [
        {step: 'root_fs', pattern: '*.tar.gz', variable: 'ROOT_FS_ARTIFACT'},
        {step: 'blank_image', pattern: '*.img.zip', variable: 'RAW_IMAGE_ARTIFACT'},
        {step: 'rpi_bootloader', pattern: 'rpi-bootloader.tar.gz', variable: 'BOOTLOADER_ARTIFACT'},
        {step: kernel, pattern: 'bootfiles.tar.gz'},
        {step: kernel, pattern: '*-*.tar.gz', variable: 'KERNEL_ARTIFACT'},
        {step: kernel, pattern: '*-*.config', variable: 'KERNEL_VERSION', without: '.config'},
        ...companions,
      ],
      outputs: withDigest(image),
      privileges: 'mounts in a chroot, and a virtual machine to write the file systems',
    }),
  ];
}

/** The kernel with its modules below usr/lib. */
function mergedKernel({rpi_kernel: config}: Configs): Step {
  return {
    name: 'rpi_kernel.merged',
    component: 'rpi_kernel',
    description: 'kernel for a root file system with a merged /usr',
    contract: 1,
    buildImage: 'rpi_kernel',
    imageName: config.image,
    command: ['/builder/merge-usr.sh'],
    settings: [],
    inputs: ['rpi_kernel'],
    outputs: kernelOutputs('*-*').map((output) => ({...output, delivered: false})),
    network: false,
    memoryBytes: gibibyte,
  };
}
