import {z} from 'zod';

/** Top-level keys of a network configuration, version 2 (netplan) and 1. */
export const networkKeys: readonly string[] = [
  'version',
  'renderer',
  'ethernets',
  'wifis',
  'bonds',
  'bridges',
  'vlans',
  'tunnels',
  'vrfs',
  'modems',
  'config',
  'dummy-devices',
  'nm-devices',
  'virtual-ethernets',
];

/** Keys of one interface in version 2. */
export const interfaceKeys: readonly string[] = `accept-ra access-points activation-mode addresses auth
  critical dhcp-identifier dhcp4 dhcp4-overrides dhcp6 dhcp6-overrides emit-lldp gateway4 gateway6
  generic-receive-offload hairpin id ignore-carrier infiniband-mode interfaces ipv6-address-generation ipv6-address-token
  ipv6-mtu ipv6-privacy key link link-local local macaddress match mode mtu name nameservers neigh-suppress networkmanager openvswitch
  optional optional-addresses parameters peer peers port regulatory-domain remote renderer routes routing-policy set-name ttl
  virtual-function-count wakeonlan wakeonwlan`
  .trim()
  .split(/\s+/);

/** Keys of an entry of `access-points`. */
export const accessPointKeys: readonly string[] = [
  'password',
  'mode',
  'bssid',
  'band',
  'channel',
  'hidden',
  'auth',
  'networkmanager',
];

const flag = z.boolean({error: 'must be true or false'});
const address = z.union(
  [
    z
      .string()
      .regex(/^[0-9a-f:.]+\/\d{1,3}$/i, 'must be an address with its prefix length, as 192.168.1.5/24'),
    z.record(z.string(), z.unknown()),
  ],
  {error: 'must be an address with its prefix length, as 192.168.1.5/24'},
);

const device = {
  dhcp4: flag.optional(),
  dhcp6: flag.optional(),
  optional: flag.optional(),
  addresses: z.array(address, {error: 'must be a list of addresses'}).optional(),
  nameservers: z
    .looseObject(
      {addresses: z.array(z.string()).optional(), search: z.array(z.string()).optional()},
      {error: 'must have the key addresses'},
    )
    .optional(),
  routes: z
    .array(z.looseObject({}), {error: 'must be a list of routes, as - {to: default, via: 192.168.1.1}'})
    .optional(),
};
const Device = z.looseObject(device, {error: 'must have keys, as dhcp4: true'}).nullable();

const passphrase = z
  .string({error: 'must be a text; put a number in quotes'})
  .regex(/^([ -~]{8,63}|[0-9a-f]{64})$/i, 'must have 8 to 63 characters, or 64 hex digits');

const Wifi = z.looseObject(
  {
    ...device,
    'regulatory-domain': z
      .string()
      .regex(/^[A-Za-z]{2}$/, 'must be the two letters of a country')
      .optional(),
    'access-points': z.record(
      z.string().max(32, 'has more than 32 characters'),
      z
        .looseObject(
          {password: passphrase.optional(), hidden: flag.optional()},
          {error: 'must have keys, as password'},
        )
        .nullable(),
      {error: 'must have the names of the networks as its keys'},
    ),
  },
  {error: 'must have keys, as access-points'},
);

const devices = (schema: z.ZodType) =>
  z.record(z.string(), schema, {error: 'must have the names of interfaces as its keys'}).nullish();

/** What stands under `network`, or in the file itself where it is left out. */
export const Network = z
  .looseObject(
    {
      version: z.union([z.literal(1), z.literal(2)], {error: 'must be 1 or 2'}).optional(),
      ethernets: devices(Device),
      wifis: devices(Wifi),
      config: z.union([z.array(z.unknown()), z.literal('disabled')], {error: 'must be a list'}).optional(),
    },
    {error: 'must have the keys version and ethernets or wifis'},
  )
  .refine(({version, config}) => version !== undefined || config === 'disabled', {
    path: ['version'],
    error: 'must be there: 2, or 1',
  });
