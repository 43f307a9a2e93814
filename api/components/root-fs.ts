import type {Configs} from '../../configs/schema.ts';
import {hypriotRootFs} from './hypriot-contract.ts';
import {noPins, type Pins} from './pins.ts';
import {gibibyte, packageList, withDigest, type Setting, type Step} from './step.ts';

/**
 * What every root file system has besides Debian's essential packages: enough to boot, to be reached over the network
 * and to be administered. `root_fs.packages` adds to it.
 */
const basePackages = [
  'ca-certificates',
  'curl',
  'dbus',
  'e2fsprogs',
  'fdisk',
  'iproute2',
  'iptables',
  'iputils-ping',
  'kmod',
  'less',
  'libnss-resolve',
  'libpam-systemd',
  'nano',
  'netbase',
  'openssh-server',
  'sudo',
  'systemd-resolved',
  'systemd-sysv',
  'systemd-timesyncd',
  'udev',
  'zstd',
];

interface Target {
  /** As Debian calls it. */
  readonly architecture: string;
  readonly variant: string;
  /** As qemu calls the architecture; empty where Hypriot's scripts use none. */
  readonly emulator: string;
}

/** What each target means (hypriot-kit, `root_fs.target`). */
const targets: Readonly<Record<Configs['root_fs']['target'], Target>> = {
  'arm64-debian': {architecture: 'arm64', variant: 'debian', emulator: 'aarch64'},
  'armhf-debian': {architecture: 'armhf', variant: 'debian', emulator: 'arm'},
  'armhf-raspbian': {architecture: 'armhf', variant: 'raspbian', emulator: 'arm'},
  mips: {architecture: 'mips', variant: 'debian', emulator: 'mips'},
  amd64: {architecture: 'amd64', variant: 'debian', emulator: ''},
  i386: {architecture: 'i386', variant: 'debian', emulator: ''},
};

export function rootFsTarget(configs: Configs): Target {
  return targets[configs.root_fs.target];
}

export function rootFsArchitecture(configs: Configs): string {
  return targets[configs.root_fs.target].architecture;
}

/** What every step that puts packages in needs to know, those of `rpi_sd_image` included. */
export function systemSettings({root_fs: config}: Configs): Setting[] {
  return [
    {field: 'root_fs.target', variable: 'BUILD_ARCH', value: targets[config.target].architecture},
    {field: 'root_fs.suite', variable: 'SUITE', value: config.suite},
  ];
}

/** Where packages come from: only a step that resolves asks there. */
export function archiveSettings(configs: Configs): Setting[] {
  const {target, mirror} = configs.root_fs;
  return [
    ...systemSettings(configs),
    {field: 'root_fs.target', variable: 'VARIANT', value: targets[target].variant},
    {field: 'root_fs.mirror', variable: 'MIRROR', value: mirror},
  ];
}

/** Who and what the system is: cheap to apply, so kept apart from the packages. */
export function identitySettings({root_fs: config}: Configs): Setting[] {
  const {architecture, variant} = targets[config.target];
  return [
    {field: 'root_fs.target', variable: 'BUILD_ARCH', value: architecture},
    {field: 'root_fs.target', variable: 'VARIANT', value: variant},
    {field: 'root_fs.hostname', variable: 'HYPRIOT_HOSTNAME', value: config.hostname},
    {field: 'root_fs.groupname', variable: 'HYPRIOT_GROUPNAME', value: config.groupname},
    {field: 'root_fs.username', variable: 'HYPRIOT_USERNAME', value: config.username},
    {field: 'root_fs.password', variable: 'HYPRIOT_PASSWORD', value: config.password, secret: true},
    {field: 'root_fs.version', variable: 'HYPRIOT_OS_VERSION', value: config.version},
  ];
}

export function rootFsSteps(configs: Configs, pins: Pins = noPins): Step[] {
  const config = configs.root_fs;
  if (config.repo !== 'builtin') return hypriotRootFs(configs, pins);
  const name = `rootfs-${config.target}-${config.version}`;
  const packages = [...new Set([...basePackages, ...config.packages])].sort();
  const common = {component: 'root_fs', contract: 1, buildImage: 'root_fs', imageName: config.image} as const;
  return [
    {
      ...common,
      name: 'root_fs.resolve',
      description: `list of ${config.target} packages of Debian ${config.suite}`,
      command: ['/builder/resolve.sh'],
      settings: [
        ...archiveSettings(configs),
        {field: 'root_fs.packages', variable: 'PACKAGES', value: packages.join(' ')},
      ],
      inputs: [],
      outputs: [{name: packageList, delivered: false}],
      network: true,
      resolves: true,
      memoryBytes: gibibyte,
    },
    {
      ...common,
      name: 'root_fs.packages',
      description: `${config.target} packages of Debian ${config.suite}`,
      command: ['/builder/packages.sh'],
      settings: [
        ...systemSettings(configs),
        {field: 'root_fs.packages', variable: 'PACKAGES', value: packages.join(' ')},
      ],
      inputs: ['root_fs.resolve'],
      packagesOf: 'root_fs.resolve',
      outputs: [
        {name: 'rootfs-packages.tar.zst', delivered: false},
        {name: 'packages.tsv', delivered: false},
      ],
      network: false,
      executes: rootFsArchitecture(configs),
      memoryBytes: 2 * gibibyte,
    },
    {
      ...common,
      name: 'root_fs',
      description: `root file system ${config.hostname}`,
      command: ['/builder/build.sh'],
      settings: [
        ...identitySettings(configs),
        {field: 'root_fs', variable: 'ROOT_FS_NAME', value: name, derived: true},
      ],
      inputs: ['root_fs.packages'],
      outputs: withDigest(`${name}.tar.gz`),
      network: false,
      memoryBytes: gibibyte,
    },
  ];
}
