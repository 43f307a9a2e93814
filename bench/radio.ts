import type {WifiNetwork} from '../api/index.ts';

/** Networks of the card, and of the access points in the emulated air. */
export const networks = [
  {ssid: 'reef', passphrase: 'on a desert island'},
  {ssid: 'cave', passphrase: 'behind the reef', isHidden: true},
] as const satisfies readonly WifiNetwork[];

const [reef, cave] = networks;

/** The wire of the emulated board, and one that only the test plugs in. */
export const networkConfig = `network:
  version: 2
  ethernets:
    eth0:
      dhcp4: true
      optional: true
    eth1:
      addresses: [192.168.7.10/24]
      optional: true
`;

/**
 * Commands for the booted board, in this order. Linux emulates three radios, which hear each other: wlan0 is the
 * card's, as hypriotkit has configured it; the others are made access points.
 */
export function networkAssertions(): string[] {
  return [
    'sudo -n ip link add eth1 type veth peer name far && sudo -n ip link set far up',
    waitFor('ip -4 -o address show dev eth1 | grep "inet 192.168.7.10/24"', 60),
    'sudo -n modprobe mac80211_hwsim radios=3',
    serveDhcp('wlan1', '10.9.0.1/24'),
    accessPoint('wlan1', reef, 2437),
    waitFor(`sudo -n wpa_cli -i wlan0 status | grep -x ssid=${reef.ssid}`, 240),
    waitFor('sudo -n wpa_cli -i wlan0 status | grep -x wpa_state=COMPLETED', 120),
    'sudo -n wpa_cli -i wlan0 get country | grep -x DE',
    waitFor('ip -4 -o address show dev wlan0 | grep "inet 10.9.0."', 120),
    // That network goes away; the other one does not say its name.
    'sudo -n kill "$(cat /tmp/wlan1.pid)"',
    accessPoint('wlan2', cave, 2412),
    waitFor(`sudo -n wpa_cli -i wlan0 status | grep -x ssid=${cave.ssid}`, 240),
    waitFor('sudo -n wpa_cli -i wlan0 status | grep -x wpa_state=COMPLETED', 120),
  ];
}

/** Shorter than the five minutes that a command has at the console. */
function waitFor(command: string, seconds: number): string {
  return `timeout ${seconds} sh -c 'until ${command}; do sleep 2; done' || { ip address; networkctl; sudo -n wpa_cli -i wlan0 status; false; }`;
}

/** wpa_supplicant can be an access point, too. */
function accessPoint(device: string, network: WifiNetwork, frequencyMhz: number): string {
  const lines = [
    'network={',
    `ssid="${network.ssid}"`,
    'mode=2',
    `frequency=${frequencyMhz}`,
    'key_mgmt=WPA-PSK',
    `psk="${network.passphrase ?? ''}"`,
    ...(network.isHidden ? ['ignore_broadcast_ssid=1'] : []),
    '}',
  ];
  const content = Buffer.from(`${lines.join('\n')}\n`).toString('base64');
  const file = `/tmp/${device}.conf`;
  return `echo ${content} | base64 -d >${file} && sudo -n wpa_supplicant -B -P /tmp/${device}.pid -i ${device} -c ${file}`;
}

function serveDhcp(device: string, address: string): string {
  const lines = ['[Match]', `Name=${device}`, '[Network]', `Address=${address}`, 'DHCPServer=yes'];
  const content = Buffer.from(`${lines.join('\n')}\n`).toString('base64');
  const file = `/run/systemd/network/90-${device}.network`;
  return `echo ${content} | base64 -d | sudo -n tee ${file} && sudo -n networkctl reload`;
}
