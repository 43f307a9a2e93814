import {localTree, noLocalFiles, type LocalFiles} from '../../configs/local-files.ts';
import type {Configs} from '../../configs/schema.ts';
import {hypriotRootFs} from './hypriot-contract.ts';
import {noPins, type Pins} from './pins.ts';
import {
  archiveFiles,
  archiveSettings,
  aptSourceSettings,
  identitySettings,
  overlayFiles,
  rootFsArchitecture,
} from './root-fs-settings.ts';
import {gibibyte, optional, packageList, withDigest, type Setting, type Step} from './step.ts';

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

/** What sets the keyboard of the console at boot. */
const keyboardPackages = ['console-setup', 'keyboard-configuration'];

/** The packages that are asked for, sorted. */
function wantedPackages({root_fs: config}: Configs): string[] {
  const names = [
    ...(config.variant === 'apt' ? [] : basePackages),
    ...(config.keyboard === '' ? [] : keyboardPackages),
    ...config.packages,
  ];
  const removed = new Set(config.remove_packages);
  return [...new Set(names)].filter((name) => !removed.has(name)).sort();
}

/** The packages that must not come in, as a dependency either. */
export function removedPackages({root_fs: config}: Configs): Setting[] {
  const names = [...new Set(config.remove_packages)].sort();
  return optional('root_fs.remove_packages', 'REMOVE_PACKAGES', names.join(' '));
}

/** The step whose tree the later ones start from. */
export function rootFsTree({root_fs: {scripts}}: Configs): 'root_fs.packages' | 'root_fs.scripts' {
  return scripts.length === 0 ? 'root_fs.packages' : 'root_fs.scripts';
}

const tree = [
  {name: 'rootfs-packages.tar.zst', delivered: false},
  {name: 'packages.tsv', delivered: false},
];

export function rootFsSteps(configs: Configs, local: LocalFiles = noLocalFiles, pins: Pins = noPins): Step[] {
  const config = configs.root_fs;
  if (config.repo !== 'builtin') return hypriotRootFs(configs, pins);
  const name = `rootfs-${config.target}-${config.version}`;
  const common = {component: 'root_fs', contract: 1, buildImage: 'root_fs', imageName: config.image} as const;
  const installed: Setting[] = [
    ...archiveSettings(configs, local),
    {field: 'root_fs.packages', variable: 'PACKAGES', value: wantedPackages(configs).join(' ')},
    ...optional('root_fs.variant', 'INSTALL_VARIANT', config.variant === 'minbase' ? '' : config.variant),
    ...aptSourceSettings(configs, local),
  ];
  return [
    {
      ...common,
      name: 'root_fs.resolve',
      description: `list of ${config.target} packages of Debian ${config.suite}`,
      command: ['/builder/resolve.sh'],
      settings: [...installed, ...removedPackages(configs)],
      inputs: [],
      files: archiveFiles(configs, local),
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
      settings: installed,
      inputs: ['root_fs.resolve'],
      packagesOf: 'root_fs.resolve',
      files: archiveFiles(configs, local),
      outputs: tree,
      network: false,
      executes: rootFsArchitecture(configs),
      memoryBytes: 2 * gibibyte,
    },
    ...scriptSteps(configs, local),
    {
      ...common,
      name: 'root_fs',
      description: `root file system ${config.hostname}`,
      command: ['/builder/build.sh'],
      settings: [
        ...identitySettings(configs, local),
        {field: 'root_fs', variable: 'ROOT_FS_NAME', value: name, derived: true},
      ],
      inputs: [rootFsTree(configs)],
      files: overlayFiles(configs, local),
      outputs: withDigest(`${name}.tar.gz`),
      network: false,
      memoryBytes: gibibyte,
      // The image starts from root_fs.packages, too, and takes longer.
      background: true,
    },
  ];
}

/** Scripts run once, before what is cheap to change is configured: another host name does not run them again. */
function scriptSteps(configs: Configs, local: LocalFiles): Step[] {
  const {image, target, scripts, scripts_network: network, overlay} = configs.root_fs;
  if (scripts.length === 0) return [];
  const lines = scripts.map((path, index) => [index, localTree(local, path).digest, path].join('\t'));
  return [
    {
      name: 'root_fs.scripts',
      component: 'root_fs',
      description: `${scripts.length === 1 ? 'script' : `${scripts.length} scripts`} in ${target}`,
      contract: 1,
      buildImage: 'root_fs',
      imageName: image,
      command: ['/builder/scripts.sh'],
      settings: [
        {field: 'root_fs.target', variable: 'BUILD_ARCH', value: rootFsArchitecture(configs)},
        {field: 'root_fs.scripts', variable: 'SCRIPTS', value: lines.join('\n')},
        ...optional('root_fs.scripts_network', 'SCRIPTS_NETWORK', network ? 'yes' : ''),
        ...optional('root_fs.overlay', 'OVERLAY', overlay && localTree(local, overlay).digest),
      ],
      inputs: ['root_fs.packages'],
      files: [
        ...overlayFiles(configs, local),
        ...scripts.map((path, index) => ({
          path: `scripts/${index}`,
          field: 'root_fs.scripts',
          tree: localTree(local, path),
        })),
      ],
      outputs: tree,
      network,
      executes: rootFsArchitecture(configs),
      memoryBytes: 2 * gibibyte,
    },
  ];
}
