import type {Configs} from '../../configs/schema.ts';
import {archiveSettings, identitySettings, rootFsArchitecture, systemSettings} from './root-fs.ts';
import {bootloaderArtifact} from './rpi-bootloader.ts';
import {hypriotSdImage} from './hypriot-contract.ts';
import {noPins, type Pins} from './pins.ts';
import {gibibyte, packageList, withDigest, type Setting, type Step} from './step.ts';

export function rpiSdImageSteps(configs: Configs, pins: Pins = noPins): Step[] {
  const config = configs.rpi_sd_image;
  if (config.repo !== 'builtin') return hypriotSdImage(configs, pins);
  // A root file system from elsewhere is one tarball: its own list of packages tells what is installed.
  const foreign = configs.root_fs.repo !== 'builtin';
  const image = `hypriotos-rpi64-${config.version}.img`;
  const common = {
    component: 'rpi_sd_image',
    contract: 1,
    buildImage: 'rpi_sd_image',
    imageName: config.image,
  } as const;
  const versions: Setting[] = [
    {
      field: 'rpi_sd_image.docker_engine_version',
      variable: 'DOCKER_ENGINE_VERSION',
      value: config.docker_engine_version,
    },
    {
      field: 'rpi_sd_image.docker_compose_version',
      variable: 'DOCKER_COMPOSE_VERSION',
      value: config.docker_compose_version,
    },
  ];
  return [
    {
      ...common,
      name: 'rpi_sd_image.resolve',
      description: 'list of the packages of the card',
      command: ['/builder/resolve.sh'],
      settings: [...archiveSettings(configs), ...versions],
      // What root_fs has is not installed again; the packages themselves say what they need.
      ...(foreign ? {inputs: ['root_fs']} : {inputs: ['root_fs.resolve'], packagesOf: 'root_fs.resolve'}),
      outputs: [{name: packageList, delivered: false}],
      network: true,
      resolves: true,
      memoryBytes: gibibyte,
    },
    {
      ...common,
      name: 'rpi_sd_image.docker',
      description: 'Docker engine and compose',
      command: ['/builder/docker.sh'],
      settings: [...systemSettings(configs), ...versions],
      inputs: [foreign ? 'root_fs' : 'root_fs.packages', 'rpi_sd_image.resolve'],
      packagesOf: 'rpi_sd_image.resolve',
      outputs: [
        {name: 'rootfs-docker.tar.zst', delivered: false},
        {name: 'packages.tsv', delivered: false},
      ],
      network: false,
      executes: rootFsArchitecture(configs),
      memoryBytes: 2 * gibibyte,
    },
    {
      ...common,
      name: 'rpi_sd_image',
      description: `SD card image ${image}`,
      command: ['/builder/build.sh'],
      settings: [
        ...identitySettings(configs),
        {field: 'rpi_sd_image.version', variable: 'VERSION', value: config.version},
        {
          field: 'blank_image.device',
          variable: 'RAW_IMAGE_ARTIFACT',
          value: `${configs.blank_image.device}-raw.img.zip`,
          derived: true,
        },
        {field: 'rpi_bootloader', variable: 'BOOTLOADER_ARTIFACT', value: bootloaderArtifact, derived: true},
      ],
      inputs: ['rpi_sd_image.docker', 'blank_image', 'rpi_bootloader', 'rpi_kernel'],
      outputs: [image, `${image}.zip`, `${image}.zst`, `${image}.bmap`].flatMap(withDigest),
      network: false,
      memoryBytes: 3 * gibibyte,
    },
  ];
}
