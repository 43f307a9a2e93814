import {describe, expect, test} from 'vitest';
import {checkOffspot} from '../../../../api/content/offspot-rules.ts';
import {SourceText} from '../../../../configs/source-text.ts';
import {readYaml} from '../../../../configs/yaml-source.ts';

const judge = (offspot: object) => {
  const text = JSON.stringify({base: '1.0.0', offspot});
  const {problems, warnings} = checkOffspot(readYaml(new SourceText('/c.yaml', text)));
  return {problems: problems.map(({message}) => message), warnings: warnings.map(({message}) => message)};
};
const mistakes = (offspot: object) => judge(offspot).problems;
const service = {image: 'x', ports: ['80:80']};

describe.each<[string, readonly unknown[], readonly unknown[]]>([
  [
    'timezone',
    ['Africa/Bamako', 'UTC', 'Europe/Paris', 'Asia/Kolkata'],
    ['Africa', 'africa/bamako', '', 5, null],
  ],
  [
    'hostname',
    ['a', 'my-host', 'a.b', '1a', 'x'.repeat(63)],
    ['', '-a', 'a-', 'a_b', 'a..b', 'x'.repeat(64), 'a '.repeat(3)],
  ],
])('%s', (key, right, wrong) => {
  test.each(right.map((value) => [value]))('%j is right', (value) =>
    expect(mistakes({[key]: value})).toEqual([]),
  );
  test.each(wrong.map((value) => [value]))('%j is wrong', (value) =>
    expect(mistakes({[key]: value})).toHaveLength(1),
  );
});

describe.each<[string, readonly unknown[], readonly unknown[]]>([
  [
    'ssid',
    ['a', 'Kiwix Offspot', 'x'.repeat(32), 'a!'],
    ['', '!a', '#a', ';a', 'a+b', 'a]', 'a/b', 'a"b', 'a\tb', 'x'.repeat(33)],
  ],
  [
    'passphrase',
    ['12345678', 'x'.repeat(63), null].slice(0, 2),
    ['1234567', 'x'.repeat(64), 'passwört', 12345678],
  ],
  ['profile', ['perf', 'coverage'], ['fast']],
  ['channel_24', [1, 13], [0, 14, '1']],
  ['channel_5', [36, 40, 44, 48], [32, 52, '36']],
  ['country', ['FR', 'ML'], ['fr', 'XX', 'FRA']],
  ['interface', ['wlan0', 'eth12'], ['wlan', '0wlan', 'WLAN0', 'w0']],
  [
    'address',
    ['192.168.2.1', '10.0.0.254'],
    [
      '192.168.2.0',
      '192.168.2.255',
      '127.0.0.1',
      '169.254.1.1',
      '224.0.0.1',
      '240.0.0.1',
      '0.0.0.0',
      '1.2.3',
      'x',
    ],
  ],
  ['spoof', [true, false, 'auto'], ['yes']],
  ['as-gateway', [true, false], ['true', 1]],
  ['tld', ['offspot', 'a1'], ['local', 'test', 'onion', '1a', 'a.b', '']],
  ['domain', ['demo'], ['-demo']],
  ['network', ['192.168.2.0/24', '10.0.0.0/31'], ['10.0.0.1/32', '192.168.2.0', 'x/24', '1.2.3.4/99']],
  [
    'dhcp-range',
    ['192.168.2.2,192.168.2.254,255.255.255.0,1h', '10.0.0.2,10.0.0.9,255.0.0.0,infinite'],
    [
      '192.168.2.9,192.168.2.2,255.255.255.0,1h',
      '192.168.2.2,192.168.3.254,255.255.255.0,1h',
      '192.168.2.2,192.168.2.9,255.255.255.0',
      '192.168.2.2,192.168.2.9,255.255.255.0,1',
      '192.168.2.2,192.168.2.9,255.0.255.0,1h',
    ],
  ],
])('ap.%s', (key, right, wrong) => {
  test.each(right.map((value) => [value]))('%j is right', (value) =>
    expect(mistakes({ap: {ssid: 'x', [key]: value}})).toEqual([]),
  );
  test.each(wrong.map((value) => [value]))('%j is wrong', (value) =>
    expect(mistakes({ap: {ssid: 'x', [key]: value}})).toHaveLength(1),
  );
});

test('an access point needs a name, and an address in its network', () => {
  expect(mistakes({ap: {}})).toEqual(['offspot.ap.ssid is missing']);
  expect(mistakes({ap: {ssid: 'x', address: '10.0.0.1', network: '192.168.2.0/24'}})).toEqual([
    'offspot.ap.network must contain the address 10.0.0.1',
  ]);
});

test.each([
  ['80:80', true],
  ['0.0.0.0:80:8080', true],
  ['80:80/tcp', true],
  ['[::1]:80:80', true],
  ['79-81:179-181', true],
  ['80:80/udp', false],
  ['8080:80', false],
  ['80', false],
  [80, false],
  [{published: 80, target: 80}, true],
  [{published: '79-90', target: 80}, true],
  [{published: 80, protocol: 'udp'}, false],
  [{target: 80}, false],
])('the port %j publishes port 80: %j', (port, isPublished) => {
  expect(mistakes({containers: {services: {a: {image: 'x', ports: [port]}}}})).toEqual(
    isPublished ? [] : ['offspot.containers.services must publish TCP port 80 of the device ("80:80")'],
  );
});

test.each<[object, string]>([
  [{containers: {}}, 'offspot.containers.services must be a map with at least one service'],
  [{containers: {services: {}}}, 'offspot.containers.services must be a map with at least one service'],
  [{containers: {services: {a: {ports: ['80:80']}}}}, 'offspot.containers.services.a.image is missing'],
  [
    {containers: {services: {a: {...service, network_mode: 'host'}}}},
    'offspot.containers.services.a.ports cannot be there with network_mode: host',
  ],
  [{ethernet: {}}, 'offspot.ethernet.type is missing'],
  [
    {ethernet: {type: 'static', address: '10.0.0.2', routers: ['10.0.0.1']}},
    'offspot.ethernet.dns is missing',
  ],
  [
    {firmware: {brcm43455: 'other'}},
    'offspot.firmware.brcm43455 must be one of raspios, supports-19_2021-11-30, supports-24_2021-10-05_noap+sta, supports-32_2015-03-01_unreliable',
  ],
  [{ap: 'x'}, 'offspot.ap must be a map of fields'],
])('%j is refused', (offspot, message) => {
  expect(mistakes(offspot)).toEqual([message]);
});

test('what the device passes over is said', () => {
  expect(judge({timzone: 'UTC'})).toEqual({
    problems: [],
    warnings: ['offspot.timzone is not known to the device, which passes over it'],
  });
});
