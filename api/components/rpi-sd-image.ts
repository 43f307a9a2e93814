import {noLocalFiles, type LocalFiles} from '../../configs/local-files.ts';
import type {Configs} from '../../configs/schema.ts';
import {sizeSettings} from './blank-image.ts';
import {cardFiles, cardSettings, dockerFiles, dockerSettings} from './card-settings.ts';
import {removedPackages, rootFsTree} from './root-fs.ts';
import {
  archiveSettings,
  identitySettings,
  overlayFiles,
  rootFsArchitecture,
  systemSettings,
} from './root-fs-settings.ts';
import {bootloaderArtifact} from './rpi-bootloader.ts';
import {hypriotSdImage} from './hypriot-contract.ts';
import {noImagePins, noPins, type ImagePins, type Pins} from './pins.ts';
import {preloadSteps} from './preload.ts';
import {gibibyte, packageList, withDigest, type Step} from './step.ts';

export function rpiSdImageSteps(
  configs: Configs,
  local: LocalFiles = noLocalFiles,
  pins: Pins = noPins,
  imagePins: ImagePins = noImagePins,
): Step[] {
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
  const docker = dockerSettings(configs, local);
  const parts = [...machineSteps(configs), ...preloadSteps(configs, imagePins)];
  return [
    {
      ...common,
      name: 'rpi_sd_image.resolve',
      description: 'list of the packages of the card',
      command: ['/builder/resolve.sh'],
      settings: [...archiveSettings(configs, local), ...docker, ...removedPackages(configs)],
      // What root_fs has is not installed again; the packages themselves say what they need.
      ...(foreign ? {inputs: ['root_fs']} : {inputs: ['root_fs.resolve'], packagesOf: 'root_fs.resolve'}),
      files: dockerFiles(configs, local),
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
      settings: [...systemSettings(configs), ...docker],
      inputs: [foreign ? 'root_fs' : rootFsTree(configs), 'rpi_sd_image.resolve'],
      packagesOf: 'rpi_sd_image.resolve',
      files: dockerFiles(configs, local),
      outputs: [
        {name: 'rootfs-docker.tar.zst', delivered: false},
        {name: 'packages.tsv', delivered: false},
      ],
      network: false,
      executes: rootFsArchitecture(configs),
      memoryBytes: 2 * gibibyte,
    },
    ...parts,
    {
      ...common,
      name: 'rpi_sd_image',
      description: `SD card image ${image}`,
      command: ['/builder/build.sh'],
      settings: [
        ...identitySettings(configs, local),
        ...cardSettings(configs, local, imagePins),
        ...sizeSettings(configs),
        {field: 'rpi_sd_image.version', variable: 'VERSION', value: config.version},
        {
          field: 'blank_image.device',
          variable: 'RAW_IMAGE_ARTIFACT',
          value: `${configs.blank_image.device}-raw.img.zip`,
          derived: true,
        },
        {field: 'rpi_bootloader', variable: 'BOOTLOADER_ARTIFACT', value: bootloaderArtifact, derived: true},
      ],
      inputs: [
        'rpi_sd_image.docker',
        'blank_image',
        'rpi_bootloader',
        'rpi_kernel',
        ...parts.map(({name}) => name),
      ],
      files: [...overlayFiles(configs, local), ...cardFiles(configs, local)],
      outputs: [
        ...[
          ...config.compression.map((form) => image + (form === 'none' ? '' : `.${form}`)),
          `${image}.bmap`,
        ].flatMap(withDigest),
        // Which parts of the packed forms the next image need not pack again.
        {name: `${image}.units`, delivered: false},
      ],
      seesEarlier: true,
      network: false,
      memoryBytes: 3 * gibibyte,
    },
  ];
}

/** Docker Machine is one program, which has been no package of anybody's for years. */
function machineSteps({rpi_sd_image: config}: Configs): Step[] {
  const version = config.docker_machine_version;
  if (version === 'none') return [];
  return [
    {
      name: 'rpi_sd_image.machine',
      component: 'rpi_sd_image',
      description: `Docker Machine ${version}`,
      contract: 1,
      buildImage: 'rpi_sd_image',
      imageName: config.image,
      command: ['/builder/machine.sh'],
      settings: [
        {
          field: 'rpi_sd_image.docker_machine_url',
          variable: 'DOCKER_MACHINE_URL',
          value: config.docker_machine_url.replaceAll('{version}', version),
        },
        {
          field: 'rpi_sd_image.docker_machine_sha256',
          variable: 'DOCKER_MACHINE_SHA256',
          value: config.docker_machine_sha256,
        },
      ],
      inputs: [],
      outputs: [{name: 'docker-machine', delivered: false}],
      network: true,
      memoryBytes: gibibyte,
    },
  ];
}
