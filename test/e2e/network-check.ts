import {addWifi, checkNetworkConfig} from '../../api/personalise/network-config.ts';

const wired = `network:
  version: 2
  ethernets:
    eth0:
      addresses: [192.168.1.10/24]
      routes: [{to: default, via: 192.168.1.1}]
`;

/**
 * A command for the booted board: its netplan takes a network-config as hypriotkit writes it, with a fixed address, two
 * wireless networks, one of them hidden, and a country. The board itself has no network.
 */
export function networkCheck(): string {
  const {document} = checkNetworkConfig('network-config', wired).file;
  const networks = [
    {ssid: 'reef', passphrase: 'on a desert island'},
    {ssid: 'cave', passphrase: 'behind the reef', isHidden: true},
  ];
  addWifi(document, networks, 'DE');
  const config = Buffer.from(document.toString()).toString('base64');
  const wpa = '/tmp/net/run/netplan/wpa-wlan0.conf';
  return [
    'rm -rf /tmp/net && mkdir -p /tmp/net/etc/netplan',
    `echo ${config} | base64 -d >/tmp/net/etc/netplan/50.yaml && chmod 600 /tmp/net/etc/netplan/50.yaml`,
    'netplan generate --root-dir /tmp/net && cd /tmp/net/run/systemd/network && cat *',
    `cat ${wpa} && grep -q "^country=DE" ${wpa} && grep -q "ssid=.*reef" ${wpa} && grep -q "scan_ssid=1" ${wpa}`,
    'grep -qx "Address=192.168.1.10/24" *eth0*.network && test -x /usr/sbin/wpa_supplicant',
  ].join(' && ');
}
