import {createHash} from 'node:crypto';
import {isPasswordHash} from '../../configs/fields.ts';
import {localTree, type LocalFiles} from '../../configs/local-files.ts';
import type {Configs} from '../../configs/schema.ts';
import {cryptPassword} from './crypt-password.ts';
import {optional, type Setting, type StepFile} from './step.ts';

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

function targetSettings({root_fs: config}: Configs): Setting[] {
  const {architecture, variant} = targets[config.target];
  return [
    {field: 'root_fs.target', variable: 'BUILD_ARCH', value: architecture},
    {field: 'root_fs.target', variable: 'VARIANT', value: variant},
  ];
}

/** What every step that puts packages in needs to know, those of `rpi_sd_image` included. */
export function systemSettings({root_fs: config}: Configs): Setting[] {
  return [
    {field: 'root_fs.target', variable: 'BUILD_ARCH', value: targets[config.target].architecture},
    {field: 'root_fs.suite', variable: 'SUITE', value: config.suite},
  ];
}

/** Where packages come from: what `rpi_sd_image` needs to know, too, to put in more. */
export function archiveSettings(configs: Configs, local: LocalFiles): Setting[] {
  const {root_fs: config} = configs;
  return [
    ...targetSettings(configs),
    {field: 'root_fs.suite', variable: 'SUITE', value: config.suite},
    {field: 'root_fs.mirror', variable: 'MIRROR', value: config.mirror},
    ...optional('root_fs.keyring', 'KEYRING', config.keyring && localTree(local, config.keyring).digest),
  ];
}

/** The archives of `apt_sources`: a line for each, with name, address, suite, components and the digest of its key. */
export function aptSourceSettings({root_fs: {apt_sources: sources}}: Configs, local: LocalFiles): Setting[] {
  const lines = sources.map(({name, url, suite, components, key}) =>
    [name, url, suite, components.join(' '), localTree(local, key).digest].join('\t'),
  );
  return optional('root_fs.apt_sources', 'APT_SOURCES', lines.join('\n'));
}

/** The keys of {@link archiveSettings} and {@link aptSourceSettings}. */
export function archiveFiles(
  {root_fs: {keyring, apt_sources: sources}}: Configs,
  local: LocalFiles,
): StepFile[] {
  return [
    ...(keyring === '' ? [] : [{path: 'keyring', field: 'root_fs.keyring', tree: localTree(local, keyring)}]),
    ...sources.map(({name, key}) => ({
      path: `keys/${name}`,
      field: 'root_fs.apt_sources',
      tree: localTree(local, key),
    })),
  ];
}

/** Who and what the system is: cheap to apply, so kept apart from the packages. */
export function identitySettings(configs: Configs, local: LocalFiles): Setting[] {
  const {root_fs: config} = configs;
  return [
    ...targetSettings(configs),
    {field: 'root_fs.hostname', variable: 'HYPRIOT_HOSTNAME', value: config.hostname},
    {field: 'root_fs.groupname', variable: 'HYPRIOT_GROUPNAME', value: config.groupname},
    {field: 'root_fs.username', variable: 'HYPRIOT_USERNAME', value: config.username},
    {field: 'root_fs.password', variable: 'HYPRIOT_PASSWORD', value: passwordHash(config), secret: true},
    {field: 'root_fs.version', variable: 'HYPRIOT_OS_VERSION', value: config.version},
    ...optional(
      'root_fs.ssh_authorized_keys',
      'SSH_AUTHORIZED_KEYS',
      [...new Set(config.ssh_authorized_keys)].join('\n'),
    ),
    ...optional('root_fs.locale', 'SYSTEM_LOCALE', config.locale === 'C.UTF-8' ? '' : config.locale),
    ...optional('root_fs.timezone', 'TIMEZONE', config.timezone === 'Etc/UTC' ? '' : config.timezone),
    ...optional('root_fs.keyboard', 'KEYBOARD', config.keyboard),
    ...optional('root_fs.overlay', 'OVERLAY', config.overlay && localTree(local, config.overlay).digest),
  ];
}

/** What {@link identitySettings} lays over the root file system. */
export function overlayFiles({root_fs: {overlay}}: Configs, local: LocalFiles): StepFile[] {
  return overlay === '' ? [] : [{path: 'overlay', field: 'root_fs.overlay', tree: localTree(local, overlay)}];
}

/**
 * The same configuration gives the same image, so the salt is not random: it follows from the user name. Not from the
 * host name too, because a changed host name would then be a changed password for whoever asks why something is built.
 */
function passwordHash({password, username}: Configs['root_fs']): string {
  if (isPasswordHash(password)) return password;
  const salt = createHash('sha256').update(`hypriotkit password salt ${username}`).digest('hex').slice(0, 16);
  return cryptPassword(password, salt);
}
