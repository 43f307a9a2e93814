import {z} from 'zod';

/** The keys of a cloud-config that cloud-init 23 to 25 know, modules and all. */
export const cloudConfigKeys: readonly string[] = `allow_public_ssh_keys ansible apk_repos apt apt_pipelining
  apt_reboot_if_required apt_update apt_upgrade authkey_hash autoinstall bootcmd byobu_by_default ca_certs ca-certs chef
  chpasswd cloud_config_modules cloud_final_modules cloud_init_modules create_hostname_file datasource datasource_list
  debug device_aliases disable_ec2_metadata disable_root disable_root_opts disk_setup drivers
  fan final_message fqdn fs_setup groups growpart grub-dpkg grub_dpkg hostname install_hotplug keyboard landscape launch-index
  locale locale_configfile lxd manage_etc_hosts manage_resolv_conf mcollective merge_how merge_type migrate
  mount_default_fields mounts network no_ssh_fingerprints ntp output package_reboot_if_required package_update
  package_upgrade packages password phone_home power_state prefer_fqdn_over_hostname preserve_hostname puppet
  random_seed reporting resize_rootfs resolv_conf rh_subscription rpi rsyslog runcmd salt_minion snap spacewalk
  ssh ssh_authorized_keys ssh_deletekeys ssh_fp_console_blacklist ssh_genkeytypes ssh_import_id ssh_key_console_blacklist
  ssh_keys ssh_publish_hostkeys ssh_pwauth ssh_quiet_keygen swap syslog_fix_perms system_info timezone ubuntu_advantage
  ubuntu_pro updates user users vendor_data version wireguard write_files yum_repo_dir yum_repos zypper`
  .trim()
  .split(/\s+/);

/** Keys of an entry of `users`; those with hyphens are old, and never what is suggested. */
export const userKeys: readonly string[] =
  `name create_groups doas expiredate gecos groups hashed_passwd homedir inactive
  lock_passwd no_create_home no_log_init no_user_group passwd plain_text_passwd primary_group selinux_user shell snapuser
  ssh_authorized_keys ssh_import_id ssh_redirect_user sudo system uid lock-passwd no-create-home no-log-init
  no-user-group primary-group selinux-user ssh-authorized-keys ssh-import-id ssh-redirect-user`
    .trim()
    .split(/\s+/);

/** Keys of an entry of `write_files`. */
export const fileKeys: readonly string[] = [
  'append',
  'content',
  'defer',
  'encoding',
  'owner',
  'path',
  'permissions',
  'source',
];

const text = z.string({error: 'must be a text'});
const flag = z.boolean({error: 'must be true or false'});
const list = <T extends z.ZodType>(item: T) => z.array(item, {error: 'must be a list'});
const command = z.union([text, list(z.union([text, z.number()]))], {
  error: 'must be a command: a text, or a list of words',
});
const commands = list(command.nullable());
const hostname = text.regex(
  /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i,
  'must be a host name (letters, digits, hyphens)',
);
const groups = z.union([text, list(text), z.record(z.string(), z.unknown())], {
  error: 'must be a text or a list',
});
const octal = 'must be a mode in octal, in quotes, as "0644"';
const mode = z.string({error: octal}).regex(/^0?[0-7]{3,4}$/, octal);

const user = z.union(
  [
    text,
    z.looseObject({
      name: text.optional(),
      groups: groups.nullish(),
      gecos: text.nullish(),
      shell: text.nullish(),
      passwd: text.optional(),
      plain_text_passwd: text.optional(),
      hashed_passwd: text.optional(),
      lock_passwd: flag.optional(),
      sudo: z.union([text, list(text), z.boolean()], {error: 'must be a text or a list'}).nullish(),
      ssh_authorized_keys: list(text).optional(),
    }),
  ],
  {error: 'must be "default" or a user with a name'},
);

const file = z.looseObject({
  path: text.startsWith('/', 'must be an absolute path'),
  content: text.optional(),
  permissions: mode.optional(),
  owner: text.optional(),
  encoding: text.optional(),
  append: flag.optional(),
  defer: flag.optional(),
});

/** The keys of a cloud-config that people write on cards, with what must stand there; others may have anything. */
export const CloudConfig = z.looseObject(
  {
    hostname: hostname.optional(),
    fqdn: hostname.optional(),
    preserve_hostname: flag.optional(),
    manage_etc_hosts: z
      .union([flag, z.enum(['localhost', 'template'])], {error: 'must be true, false or localhost'})
      .optional(),
    users: z
      .union([list(user), text, z.record(z.string(), z.unknown())], {error: 'must be a list of users'})
      .nullish(),
    groups: groups.nullish(),
    password: text.optional(),
    chpasswd: z
      .looseObject({expire: flag.optional()}, {error: 'must have keys, as expire: false'})
      .optional(),
    ssh_pwauth: z
      .union([flag, z.enum(['unchanged', 'yes', 'no'])], {error: 'must be true or false'})
      .optional(),
    ssh_authorized_keys: list(text).optional(),
    disable_root: flag.optional(),
    locale: z.union([text, z.literal(false)], {error: 'must be a text'}).optional(),
    timezone: text.optional(),
    packages: list(z.union([text, list(text), z.record(z.string(), z.unknown())])).optional(),
    package_update: flag.optional(),
    package_upgrade: flag.optional(),
    write_files: list(file).optional(),
    runcmd: commands.optional(),
    bootcmd: commands.optional(),
    mounts: list(list(z.unknown())).optional(),
    power_state: z.looseObject({}, {error: 'must have keys, as mode: reboot'}).optional(),
  },
  {error: 'must have keys, as hostname: black-pearl'},
);

/** The content of `meta-data`. */
export const MetaData = z.looseObject(
  {
    'instance-id': z.union([text, z.number()], {error: 'must be a text'}).nullish(),
    'local-hostname': hostname.optional(),
  },
  {error: 'must have keys, as instance-id: card-1'},
);
