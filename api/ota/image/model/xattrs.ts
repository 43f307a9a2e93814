import {OtaError} from '../../ota-error.ts';
import {decodeMsgpack, encodeMsgpack} from './msgpack.ts';

/** Extended attributes, name to value; empty when there are none. */
export type Xattrs = ReadonlyMap<string, Uint8Array>;

const capability = 'security.capability';
/** VFS_CAP_REVISION_3, written in user namespaces: 20 bytes of version 2, then the uid of the namespace's root. */
const capabilityV3 = {version: 3, size: 24};

/** The `xattrs` column: NULL when there are none, else a map of text to binary. */
export function encodeXattrs(xattrs: Xattrs): Buffer | null {
  if (xattrs.size === 0) return null;
  return encodeMsgpack(new Map([...xattrs].map(([name, value]) => [name, portable(name, value)])));
}

/** @throws {OtaError} TABLE_INVALID if it is not a map of text to binary */
export function decodeXattrs(column: Uint8Array | null): Xattrs {
  if (column === null) return new Map();
  const map = decodeMsgpack(column);
  if (!(map instanceof Map)) throw notAMap();
  const xattrs = new Map<string, Uint8Array>();
  for (const [name, value] of map as ReadonlyMap<string, unknown>) {
    if (!(value instanceof Uint8Array)) throw notAMap();
    xattrs.set(name, value);
  }
  return xattrs;
}

/** File capabilities of a user namespace mean nothing on a device: as version 2 they hold for its root. */
function portable(name: string, value: Uint8Array): Uint8Array {
  if (name !== capability || value.length !== capabilityV3.size || value[3] !== capabilityV3.version)
    return value;
  return Buffer.concat([value.subarray(0, 3), Buffer.of(2), value.subarray(4, 20)]);
}

function notAMap(): OtaError {
  return new OtaError(
    'TABLE_INVALID',
    'Extended attributes of the file table are not a map of text to binary',
  );
}
