import {isIPv4} from 'node:net';
import {fieldName, isMapValue, describeValue} from '../../configs/field-path.ts';
import {findNearestName} from '../../configs/nearest-name.ts';
import type {Problem} from '../../configs/source-text.ts';
import {isTimeZone} from '../../configs/system-fields.ts';
import type {YamlSource} from '../../configs/yaml-source.ts';
import {isCountryCode} from '../personalise/country.ts';
import {isAddressIn, isUsableAddress, parseNetwork, toNumber} from './ipv4.ts';

// The rules by which the device itself judges its configuration at start (offspot runtime-config).

/** What the device looks at, in its order; anything else it passes over. */
const sections = ['firmware', 'timezone', 'hostname', 'ethernet', 'containers', 'ap'] as const;
const reservedTlds = ['example', 'invalid', 'local', 'localhost', 'onion', 'test'];
const firmwares: Readonly<Record<string, readonly string[]>> = {
  brcm43455: [
    'raspios',
    'supports-19_2021-11-30',
    'supports-24_2021-10-05_noap+sta',
    'supports-32_2015-03-01_unreliable',
  ],
  brcm43430: ['raspios', 'supports-30_2018-09-28'],
};

type Rule = (value: unknown) => string | undefined;

/**
 * Judges the part of a configuration that the device will read, as the device would.
 *
 * @returns mistakes that would make the device refuse it, and keys that it would pass over.
 */
export function checkOffspot(yaml: YamlSource): {
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
} {
  const value = yaml.wholeValue(['offspot']);
  // Of another type: the schema has said so.
  if (!isMapValue(value)) return {problems: [], warnings: []};
  const checker = new OffspotChecker(yaml);
  checker.check(value);
  return checker;
}

class OffspotChecker {
  readonly problems: Problem[] = [];
  readonly warnings: Problem[] = [];
  readonly #yaml: YamlSource;

  constructor(yaml: YamlSource) {
    this.#yaml = yaml;
  }

  check(offspot: Readonly<Record<string, unknown>>): void {
    for (const key of Object.keys(offspot)) {
      if ((sections as readonly string[]).includes(key)) continue;
      const suggestion = findNearestName(key, sections);
      this.warnings.push({
        span: this.#yaml.spanOfKey(['offspot'], key),
        message: `offspot.${key} is not known to the device, which passes over it`,
        ...(suggestion !== undefined && {suggestion}),
      });
    }
    this.#one(offspot, [], 'timezone', isTimezone);
    this.#one(offspot, [], 'hostname', isHostname);
    this.#section(offspot, 'firmware', (firmware) => {
      for (const [chip, known] of Object.entries(firmwares))
        this.#one(firmware, ['firmware'], chip, oneOf(known));
    });
    this.#section(offspot, 'ethernet', (ethernet) => this.#ethernet(ethernet));
    this.#section(offspot, 'containers', (containers) => this.#containers(containers));
    this.#section(offspot, 'ap', (ap) => this.#accessPoint(ap));
  }

  #ethernet(ethernet: Readonly<Record<string, unknown>>): void {
    const at = ['ethernet'];
    this.#one(ethernet, at, 'type', oneOf(['dhcp', 'static']), true);
    if (ethernet['type'] !== 'static') return;
    this.#one(ethernet, at, 'address', isUsable, true);
    this.#one(ethernet, at, 'routers', listOf(isUsable), true);
    this.#one(ethernet, at, 'dns', listOf(isUsable), true);
  }

  #accessPoint(ap: Readonly<Record<string, unknown>>): void {
    const at = ['ap'];
    this.#one(ap, at, 'ssid', isSsid, true);
    this.#one(ap, at, 'passphrase', isPassphrase);
    this.#one(ap, at, 'profile', oneOf(['perf', 'coverage']));
    this.#one(
      ap,
      at,
      'channel_24',
      isNumber('a channel from 1 to 13', (channel) => channel >= 1 && channel <= 13),
    );
    this.#one(
      ap,
      at,
      'channel_5',
      isNumber('one of 36, 40, 44, 48', (channel) => [36, 40, 44, 48].includes(channel)),
    );
    this.#one(ap, at, 'country', isCountry);
    this.#one(ap, at, 'interface', isInterface);
    this.#one(ap, at, 'address', isUsable);
    this.#one(ap, at, 'captured-address', isUsable);
    this.#one(ap, at, 'as-gateway', isFlag);
    this.#one(ap, at, 'hide', isFlag);
    this.#one(ap, at, 'spoof', oneOf([true, false, 'auto']));
    this.#one(ap, at, 'domain', isHostname);
    this.#one(ap, at, 'welcome', isHostname);
    this.#one(ap, at, 'tld', isTld);
    this.#one(ap, at, 'dns', listOf(isUsable));
    for (const key of ['other-interfaces', 'except-interfaces', 'nodhcp-interfaces'])
      this.#one(ap, at, key, listOf(isInterface));
    this.#one(ap, at, 'dhcp-range', isDhcpRange);
    const {address} = ap;
    this.#one(ap, at, 'network', (network) => {
      const parsed = typeof network === 'string' ? parseNetwork(network) : undefined;
      if (parsed === undefined || parsed.size < 2) return 'must be a network such as 192.168.2.0/24';
      return typeof address === 'string' && isIPv4(address) && !isAddressIn(address, parsed)
        ? `must contain the address ${address}`
        : undefined;
    });
  }

  #containers(containers: Readonly<Record<string, unknown>>): void {
    const {services} = containers;
    if (!isMapValue(services) || Object.keys(services).length === 0) {
      this.#refuse(['containers', 'services'], 'must be a map with at least one service', services);
      return;
    }
    let isPublished = false;
    for (const [name, service] of Object.entries(services)) {
      const path = ['containers', 'services', name];
      if (!isMapValue(service)) {
        this.#refuse(path, 'must be a map', service);
        continue;
      }
      this.#one(service, path, 'image', isText, true);
      const {ports} = service;
      if (ports === undefined || ports === null) continue;
      if (service['network_mode'] === 'host')
        this.#refuse([...path, 'ports'], 'cannot be there with network_mode: host', ports);
      if (!Array.isArray(ports)) this.#refuse([...path, 'ports'], 'must be a list', ports);
      else if (ports.some((port: unknown) => publishesPort(port, 80))) isPublished = true;
    }
    if (!isPublished)
      this.#refuse(['containers', 'services'], 'must publish TCP port 80 of the device ("80:80")');
  }

  #section(
    offspot: Readonly<Record<string, unknown>>,
    name: string,
    check: (section: Readonly<Record<string, unknown>>) => void,
  ): void {
    const value = offspot[name];
    if (value === undefined) return;
    if (isMapValue(value)) check(value);
    else this.#refuse([name], 'must be a map of fields', value);
  }

  #one(
    map: Readonly<Record<string, unknown>>,
    path: readonly string[],
    key: string,
    rule: Rule,
    isRequired = false,
  ): void {
    const value = map[key];
    if (value === undefined) {
      if (isRequired) this.#refuse([...path, key], 'is missing');
      return;
    }
    const message = rule(value);
    if (message !== undefined) this.#refuse([...path, key], message, value);
  }

  #refuse(path: readonly string[], message: string, found?: unknown): void {
    const whole = ['offspot', ...path];
    const isSecret = path.at(-1) === 'passphrase';
    this.problems.push({
      span: this.#yaml.spanOfValue(whole),
      message: `${fieldName(whole)} ${message}`,
      ...(found !== undefined && !isSecret && {found: describeValue(found)}),
    });
  }
}

const isText: Rule = (value) => (typeof value === 'string' && value !== '' ? undefined : 'must be a text');
const isFlag: Rule = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false');

function oneOf(known: readonly unknown[]): Rule {
  return (value) => (known.includes(value) ? undefined : `must be one of ${known.join(', ')}`);
}

function listOf(rule: Rule): Rule {
  return (value) => {
    if (!Array.isArray(value)) return 'must be a list';
    return value.map(rule).find((message) => message !== undefined);
  };
}

function isNumber(expected: string, isRight: (value: number) => boolean): Rule {
  return (value) => (typeof value === 'number' && isRight(value) ? undefined : `must be ${expected}`);
}

function matches(pattern: RegExp, expected: string): Rule {
  return (value) => (typeof value === 'string' && pattern.test(value) ? undefined : `must be ${expected}`);
}

const isTimezone: Rule = (value) =>
  // Names are case-sensitive on the device, but not here.
  typeof value === 'string' && /^[A-Z]/.test(value) && isTimeZone(value)
    ? undefined
    : 'must be the name of a time zone such as Africa/Bamako';

const isHostname: Rule = (value) => {
  const isRight =
    typeof value === 'string' &&
    value.length <= 255 &&
    value.split('.').length <= 64 &&
    value.split('.').every((label) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(label));
  return isRight ? undefined : 'must be a host name: letters, digits and "-", in parts of at most 63';
};

const isTld: Rule = (value) => {
  if (typeof value === 'string' && reservedTlds.includes(value)) return 'must not be a reserved name';
  return matches(/^[a-zA-Z][a-zA-Z0-9-]*$/, 'letters, digits and "-", starting with a letter')(value);
};

const isSsid: Rule = (value) => {
  const isRight =
    typeof value === 'string' &&
    value.length >= 1 &&
    value.length <= 32 &&
    !/^[!#;]/.test(value) &&
    !/[+\]/"\t]/.test(value);
  return isRight
    ? undefined
    : 'must have 1 to 32 characters, none of + ] / " and tab, and not start with ! # or ;';
};

const isPassphrase = matches(/^[\x20-\x7e]{8,63}$/, '8 to 63 printable ASCII characters');
const isInterface = matches(/^[a-z][a-z0-9]+[0-9]+$/, 'the name of an interface such as wlan0');

const isCountry: Rule = (value) =>
  typeof value === 'string' && isCountryCode(value) ? undefined : 'must be the code of a country such as FR';

const isUsable: Rule = (value) =>
  typeof value === 'string' && isUsableAddress(value)
    ? undefined
    : 'must be an IPv4 address that a machine can have';

const isDhcpRange: Rule = (value) => {
  const [start = '', end = '', mask = '', ttl = '', ...rest] =
    typeof value === 'string' ? value.split(',') : [];
  const network = isIPv4(start) && isIPv4(mask) ? parseNetwork(`${start}/${mask}`) : undefined;
  const isRight =
    rest.length === 0 &&
    network !== undefined &&
    isUsableAddress(start) &&
    isUsableAddress(end) &&
    isAddressIn(end, network) &&
    toNumber(start) < toNumber(end) &&
    /^(?:\d+[smhdw]|infinite)$/.test(ttl);
  return isRight
    ? undefined
    : 'must be start,end,netmask,ttl in one network, such as 192.168.2.2,192.168.2.254,255.255.255.0,1h';
};

/** Whether an entry of a service's ports publishes a TCP port of the host (Compose, short and long form). */
function publishesPort(entry: unknown, wanted: number): boolean {
  if (isMapValue(entry)) {
    const {published, protocol = 'tcp'} = entry;
    return (
      protocol === 'tcp' &&
      (typeof published === 'string' || typeof published === 'number') &&
      inRange(String(published), wanted)
    );
  }
  if (typeof entry !== 'string') return false;
  const [, host = '', protocol = 'tcp'] =
    /^(?:[\d.]+:|\[[0-9a-f:]+\]:)?(\d+(?:-\d+)?):\d+(?:-\d+)?(?:\/(\w+))?$/i.exec(entry) ?? [];
  return protocol === 'tcp' && inRange(host, wanted);
}

function inRange(text: string, wanted: number): boolean {
  const [first = Number.NaN, last = first] = text.split('-').map(Number);
  return first <= wanted && wanted <= last;
}
