import type {Assertion} from './assertions.ts';

/** As the emulated board names its card. */
const disk = '/sys/block/mmcblk0';
const partition = `${disk}/mmcblk0p2`;

/** Its date is that of the last sign of life before a restart; only the copy of the card has it. */
const lifeSign = '/var/tmp/hypriotkit-boot';

/** Seconds that systemd-timesyncd may lose at a restart: it saves the time once in a minute (SaveIntervalSec). */
const clockLoss = 120;

/** What every image must pass, at the first boot and at every later one. */
export function defaultAssertions(hostname: string): Assertion[] {
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
    {
      name: "the root file system is the card's second partition",
      command: 'findmnt -n -o SOURCE /',
      expected: '/dev/mmcblk0p2',
    },
    {
      name: 'the root file system has grown to the size of the card',
      // Sectors: the partition ends less than 1 MiB before the card, and the file system is nearly as large as it.
      command:
        `p=$(cat ${partition}/size) && e=$(($(cat ${partition}/start) + p)) && c=$(cat ${disk}/size) && ` +
        'f=$(df --block-size=512 --output=size / | tail -n 1) && echo "card $c, end of partition $e, file system $f of $p" && ' +
        '[ $((c - e)) -lt 2048 ] && [ $((f * 100)) -gt $((p * 90)) ]',
    },
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
      command:
        'sudo -n sh -c "cd /var/lib && ls -ln --time-style=+%s cloud/sem cloud/instance/sem hypriot/root-grown"',
      unchanged: true,
    },
  ];
}
