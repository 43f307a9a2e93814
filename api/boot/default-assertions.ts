import type {Assertion} from './assertions.ts';

/** What the emulated board starts from: a card, or a USB stick. */
export const bootDrives = ['sd', 'usb'] as const;
export type BootDrive = (typeof bootDrives)[number];

/** What the emulated board is connected to: nothing, or a wire with a DHCP server. */
export const bootNetworks = ['none', 'wired'] as const;
export type BootNetwork = (typeof bootNetworks)[number];

/** As the emulated board names them. */
const drives: Readonly<Record<BootDrive, {disk: string; root: string; what: string}>> = {
  sd: {disk: 'mmcblk0', root: 'mmcblk0p2', what: 'card'},
  usb: {disk: 'sda', root: 'sda2', what: 'stick'},
};

/** What of an image decides what must hold in it. */
export interface BootedImage {
  readonly hostname: string;
  readonly drive?: BootDrive | undefined;
  readonly network?: BootNetwork | undefined;
  /** `blank_image.layout` */
  readonly layout?: 'single' | 'ab' | undefined;
}

/** Its date is that of the last sign of life before a restart; only the copy of the card has it. */
const lifeSign = '/var/tmp/hypriotkit-boot';

/** Seconds that systemd-timesyncd may lose at a restart: it saves the time once in a minute (SaveIntervalSec). */
const clockLoss = 120;

/** What every image must pass, at the first boot and at every later one. */
export function defaultAssertions({
  hostname,
  drive = 'sd',
  network = 'none',
  layout = 'single',
}: BootedImage): Assertion[] {
  const {disk, root, what} = drives[drive];
  return [
    // Waits until the system has started everything; its exit status also counts failed units, which come next.
    {
      name: 'all units have been started',
      command: 'systemctl is-system-running --wait | grep -x -e running -e degraded',
      timeoutMs: 900_000,
    },
    {
      // Without scopes: login(1) gives up after a minute on a machine that is busy, and leaves a failed session.
      name: 'no systemd unit has failed',
      command:
        'systemctl --failed --no-legend --plain --no-pager --type=automount,device,mount,path,service,slice,socket,swap,target,timer',
      expected: '',
    },
    {
      // Its exit status is 2 for warnings.
      name: 'cloud-init is done, without errors and warnings',
      command: 'cloud-init status --wait --long',
      timeoutMs: 600_000,
    },
    {name: 'the Docker engine is active', command: 'systemctl is-active docker', expected: 'active'},
    {name: `the host name is ${hostname}`, command: 'hostname', expected: hostname},
    ...(network === 'wired' ? [hasAddressByDhcp] : []),
    {
      name: `the root file system is the ${what}'s second partition`,
      command: 'findmnt -n -o SOURCE /',
      expected: `/dev/${root}`,
    },
    layout === 'single' ? rootHasGrown(disk, root, what) : rootFillsSlot(root),
    {
      name: 'the clock is not before the date of the image',
      command: 'date && [ "$(date +%s)" -ge "$(stat -c %Y /usr/lib/clock-epoch)" ]',
    },
    {
      name: 'the clock goes on after a restart',
      command: `date && [ "$(date +%s)" -ge $(($(stat -c %Y ${lifeSign}) - ${clockLoss})) ]`,
      when: 'later',
    },
    {name: 'a sign of life for the next boot', command: `touch ${lifeSign}`},
    {
      name: 'memory can be limited',
      command: 'cat /sys/fs/cgroup/cgroup.controllers && grep -qw memory /sys/fs/cgroup/cgroup.controllers',
    },
    {name: 'root cannot log in', command: "sudo -n passwd --status root | cut -d ' ' -f 2", expected: 'L'},
    {name: 'names of .local are answered', command: 'systemctl is-active avahi-daemon', expected: 'active'},
    {
      name: 'machine id and SSH host keys are made once',
      command: 'test -s /etc/machine-id && cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub',
      unchanged: true,
    },
    {
      name: 'what is done at the first boot is done once',
      command: `sudo -n sh -c "cd /var/lib && ls -ln --time-style=+%s cloud/sem cloud/instance/sem${layout === 'single' ? ' hypriot/root-grown' : ''}"`,
      unchanged: true,
    },
  ];
}

/** Of the network that qemu has for its users: it gives 10.0.2.15. */
const hasAddressByDhcp: Assertion = {
  name: 'the wired network has given an address',
  command:
    'timeout 120 sh -c "until ip -4 -o address show dev eth0 | grep inet.10[.]0[.]2[.].*dynamic; do sleep 1; done" || { ip address; false; }',
};

/** In sectors: the partition ends less than 1 MiB before the disk, and the file system is nearly as large as it. */
function rootHasGrown(disk: string, root: string, what: string): Assertion {
  const partition = `/sys/block/${disk}/${root}`;
  return {
    name: `the root file system has grown to the size of the ${what}`,
    command:
      `p=$(cat ${partition}/size) && e=$(($(cat ${partition}/start) + p)) && c=$(cat /sys/block/${disk}/size) && ` +
      `f=$(df --block-size=512 --output=size / | tail -n 1) && echo "${what} $c, end of partition $e, file system $f of $p" && ` +
      '[ $((c - e)) -lt 2048 ] && [ $((f * 100)) -gt $((p * 90)) ]',
  };
}

/** A slot does not grow: behind it lies the other one. */
function rootFillsSlot(root: string): Assertion {
  return {
    name: 'the root file system is slot a, which has kept its size',
    command:
      `test "$(lsblk -n -o LABEL /dev/${root})" = slot_a && p=$(cat /sys/class/block/${root}/size) && ` +
      'f=$(df --block-size=512 --output=size / | tail -n 1) && echo "file system $f of $p" && [ $((f * 100)) -gt $((p * 90)) ]',
  };
}
