import {isMap, isScalar, Scalar, type Document, type YAMLMap} from 'yaml';
import {z} from 'zod';
import type {Problem} from '../../configs/source-text.ts';
import {PipelineError} from '../errors.ts';
import {accessPointKeys, interfaceKeys, Network, networkKeys} from './network-schema.ts';
import type {WifiNetwork} from './personalisation.ts';
import type {CheckedFile} from './user-data.ts';
import {checkYaml, findMisspelledKeys, parseYaml, throwProblems, type YamlFile} from './yaml-file.ts';

/** What a card gets that has no network configuration: any wired interface by DHCP, and it may be unplugged. */
const wiredByDhcp = `network:
  version: 2
  ethernets:
    eth0:
      dhcp4: true
      dhcp6: true
      optional: true
`;

/** A network configuration that only has what every image does by itself. */
export function defaultNetworkConfig(): string {
  return wiredByDhcp;
}

/**
 * Reads a `network-config` file, with or without the key `network` around it, and checks it.
 *
 * @throws ConfigError
 */
export function checkNetworkConfig(path: string, text: string): CheckedFile {
  const file = parseYaml(path, text);
  if (file.document.contents === null) return {file, warnings: []};
  const root = rootOf(file.document);
  const within = root.length === 0 ? Network : wrapped;
  const problems: Problem[] = [
    ...checkYaml(file, within),
    ...findMisspelledKeys(file, root, networkKeys).problems,
  ];
  const of = (path: readonly string[]): string[] => {
    const node: unknown = file.document.getIn([...root, ...path], true);
    return isMap(node) ? keysOf(node) : [];
  };
  for (const kind of ['ethernets', 'wifis']) {
    for (const name of of([kind])) {
      problems.push(...findMisspelledKeys(file, [...root, kind, name], interfaceKeys, mistakes).problems);
      for (const ssid of of([kind, name, 'access-points']))
        problems.push(
          ...findMisspelledKeys(file, [...root, kind, name, 'access-points', ssid], accessPointKeys).problems,
        );
    }
  }
  throwProblems(file, problems);
  return {file, warnings: []};
}

const mistakes = {
  dhcp: 'dhcp4',
  gateway: 'gateway4',
  dns: 'nameservers',
  ssid: 'access-points',
  country: 'regulatory-domain',
};

const wrapped = z.looseObject({network: Network});

/** The country that WiFi is set up for, where it is. */
export function findCountry({document}: YamlFile): string | undefined {
  const wifis: unknown = document.getIn([...rootOf(document), 'wifis'], true);
  if (!isMap(wifis)) return undefined;
  const codes = keysOf(wifis).map((key) =>
    document.getIn([...rootOf(document), 'wifis', key, 'regulatory-domain']),
  );
  return codes.find((code) => typeof code === 'string');
}

/**
 * Adds networks to the first WiFi interface of a configuration, or gives it one.
 *
 * @throws PipelineError `USAGE` for version 1, which has no WiFi.
 */
export function addWifi(
  document: Document,
  networks: readonly WifiNetwork[],
  country: string | undefined,
): void {
  const root = rootOf(document);
  if (document.getIn([...root, 'version']) === 1) {
    throw new PipelineError(
      'USAGE',
      'the network-config has version 1, which cannot describe WiFi (--ssid)',
      {
        hint: 'Write it in version 2, the format of netplan: --network-config FILE.',
      },
    );
  }
  const wifis: unknown = document.getIn([...root, 'wifis'], true);
  const [known] = isMap(wifis) ? keysOf(wifis) : [];
  const device = [...root, 'wifis', known ?? 'wlan0'];
  if (known === undefined) {
    document.setIn(device, document.createNode({dhcp4: true, dhcp6: true, optional: true}));
  }
  if (country !== undefined) document.setIn([...device, 'regulatory-domain'], country);
  for (const {ssid, passphrase, isHidden} of networks) {
    const node = document.createNode({
      ...(passphrase !== undefined && {password: quoted(passphrase)}),
      ...(isHidden === true && {hidden: true}),
    });
    const points: unknown = document.getIn([...device, 'access-points'], true);
    if (isMap(points)) {
      points.delete(ssid);
      points.add(document.createPair(quoted(ssid), node));
    } else {
      const map = document.createNode({});
      map.add(document.createPair(quoted(ssid), node));
      document.setIn([...device, 'access-points'], map);
    }
  }
}

function keysOf(map: YAMLMap): string[] {
  return map.items.map(({key}) => (isScalar(key) ? String(key.value) : ''));
}

/** In quotes: "on", "1e3" and "0x1" are names and passphrases, too. */
function quoted(text: string): Scalar<string> {
  const scalar = new Scalar(text);
  scalar.type = 'QUOTE_DOUBLE';
  return scalar;
}

/** `network` where the file has it around everything else. */
function rootOf(document: Document): string[] {
  return document.has('network') ? ['network'] : [];
}
