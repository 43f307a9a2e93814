import {isIPv4} from 'node:net';

/** A network of IPv4. */
export interface Network {
  readonly first: number;
  /** How many addresses it has. */
  readonly size: number;
}

/** An address as a number; it must be one. */
export function toNumber(address: string): number {
  return address.split('.').reduce((value, part) => value * 256 + Number(part), 0);
}

/** Reads `192.168.2.0/24` or `192.168.2.0/255.255.255.0`; undefined for anything else. */
export function parseNetwork(text: string): Network | undefined {
  const [address = '', mask = ''] = text.split('/');
  if (!isIPv4(address)) return undefined;
  const size = isIPv4(mask)
    ? 2 ** 32 - toNumber(mask)
    : /^\d{1,2}$/.test(mask)
      ? 2 ** (32 - Number(mask))
      : Number.NaN;
  if (!Number.isInteger(Math.log2(size)) || size < 1) return undefined;
  return {first: Math.floor(toNumber(address) / size) * size, size};
}

export function isAddressIn(address: string, {first, size}: Network): boolean {
  const number = toNumber(address);
  return isIPv4(address) && first <= number && number < first + size;
}

/** Not to be given to a machine: this network, loopback, link-local, multicast, reserved. */
const unusable = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4'].flatMap(
  (text) => parseNetwork(text) ?? [],
);

/** Whether a machine can have an address; .0 and .255 at the end are for networks. */
export function isUsableAddress(address: string): boolean {
  if (!isIPv4(address) || /\.(?:0|255)$/.test(address)) return false;
  return !unusable.some((network) => isAddressIn(address, network));
}
