import type {Configs} from '../../configs/schema.ts';
import {gibibyte, packageList, withDigest, type Setting, type Step} from './step.ts';

/**
 * What every root file system has besides Debian's essential packages: enough to boot, to be reached over the network,
 * to be administered and to be personalised before its first boot. `root_fs.packages` adds to it.
 */
const basePackages = [
  'avahi-daemon',
  'ca-certificates',
  'cloud-init',
  'curl',
  'dbus',
  'e2fsprogs',
  'fdisk',
  'iproute2',
  'iptables',
  'iputils-ping',
  'kmod',
  'less',
  'libnss-mdns',
  'libnss-resolve',
  'libpam-systemd',
  'nano',
  'netbase',
  'netplan.io',
  'openssh-server',
  'sudo',
  'systemd-resolved',
  'systemd-sysv',
  'systemd-timesyncd',
  'udev',
  'zstd',
];

/** Debian architecture and Hypriot variant of each target (hypriot-kit, `root_fs.target`). */
const targets: Readonly<Record<Configs['root_fs']['target'], {architecture: string; variant: string}>> = {
  'arm64-debian': {architecture: 'arm64', variant: 'debian'},
  'armhf-debian': {architecture: 'armhf', variant: 'debian'},
  'armhf-raspbian': {architecture: 'armhf', variant: 'raspbian'},
  mips: {architecture: 'mips', variant: 'debian'},
  amd64: {architecture: 'amd64', variant: 'debian'},
  i386: {architecture: 'i386', variant: 'debian'},
};

export function rootFsArchitecture(configs: Configs): string {
  return targets[configs.root_fs.target].architecture;
}

/** Which packages are put in: what `rpi_sd_image` needs to know, too, to put in more. */
export function archiveSettings({root_fs: config}: Configs): Setting[] {
  const {architecture, variant} = targets[config.target];
  return [
    {field: 'root_fs.target', variable: 'BUILD_ARCH', value: architecture},
    {field: 'root_fs.target', variable: 'VARIANT', value: variant},
    {field: 'root_fs.suite', variable: 'SUITE', value: config.suite},
    {field: 'root_fs.mirror', variable: 'MIRROR', value: config.mirror},
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

export function rootFsSteps(configs: Configs): Step[] {
  const config = configs.root_fs;
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
        ...archiveSettings(configs),
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
