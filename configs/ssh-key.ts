/** The parts of a key's blob after the name of its type, in bytes: an exact length, or what it may be. */
type Part = number | 'integer' | 'text' | 'curve-point';

/** The types that today's OpenSSH accepts, with the parts of their blobs (RFC 4253 6.6, 5656 3.1, 8709, PROTOCOL.u2f). */
const types: Readonly<Record<string, readonly Part[]>> = {
  'ssh-ed25519': [32],
  'ssh-rsa': ['integer', 'integer'],
  'ecdsa-sha2-nistp256': ['text', 'curve-point'],
  'ecdsa-sha2-nistp384': ['text', 'curve-point'],
  'ecdsa-sha2-nistp521': ['text', 'curve-point'],
  'sk-ssh-ed25519@openssh.com': [32, 'text'],
  'sk-ecdsa-sha2-nistp256@openssh.com': ['text', 'curve-point', 'text'],
};

/** Below it OpenSSH refuses an RSA key ("RequiredRSASize"). */
const smallestRsaBytes = 1024 / 8;

/**
 * Why a line is no public SSH key, as the rest of a sentence that starts with its name; undefined when it is one.
 *
 * Looks at the type, the base64 and the wire format inside it, so that a key that was cut off when it was copied is found
 * now and not by somebody who cannot log in.
 */
export function findSshKeyProblem(line: string): string | undefined {
  const wanted = 'must be a line of a .pub file (such as "ssh-ed25519 AAAA… me@home")';
  if (/PRIVATE KEY/.test(line))
    return 'is a private key, which must stay where it is: give the line of its .pub file';
  if (/\p{Cc}/u.test(line)) return 'must be one line without control characters';
  const [type = '', base64 = ''] = line.split(' ');
  if (type === 'ssh-dss')
    return 'is a DSA key, which OpenSSH does not accept any more: make one of ssh-ed25519';
  const parts = Object.hasOwn(types, type) ? types[type] : undefined;
  if (parts === undefined) return `${wanted}; the types are ${Object.keys(types).join(', ')}`;
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) {
    return `${wanted}; what follows ${type} is not base64: is it cut off?`;
  }
  return findBlobProblem(Buffer.from(base64, 'base64'), type, parts);
}

function findBlobProblem(blob: Buffer, type: string, parts: readonly Part[]): string | undefined {
  const cut = 'is not a complete key: its content ends too early or goes on too long';
  const strings = readStrings(blob);
  if (strings === undefined) return cut;
  const [name = Buffer.alloc(0), ...rest] = strings;
  if (name.toString('latin1') !== type) {
    return `says ${type}, but its content is ${printable(name.toString('latin1'))}`;
  }
  if (rest.length !== parts.length) return cut;
  const wrong = rest.some((part, index) => !fits(part, parts[index] ?? 0));
  if (wrong) return cut;
  // The modulus is a signed number: a leading zero does not count.
  const modulus = rest[1]?.subarray(rest[1][0] === 0 ? 1 : 0) ?? Buffer.alloc(0);
  if (type === 'ssh-rsa' && modulus.length < smallestRsaBytes) {
    return 'is an RSA key of less than 1024 bits, which OpenSSH does not accept';
  }
  return undefined;
}

function fits(part: Buffer, wanted: Part): boolean {
  if (typeof wanted === 'number') return part.length === wanted;
  // An uncompressed point: 4, then both coordinates.
  if (wanted === 'curve-point') return part[0] === 4 && [65, 97, 133].includes(part.length);
  return part.length > 0;
}

/** The strings of SSH's wire format (RFC 4251 5): a length of four bytes before each. */
function readStrings(blob: Buffer): Buffer[] | undefined {
  const strings: Buffer[] = [];
  let offset = 0;
  while (offset < blob.length) {
    if (offset + 4 > blob.length) return undefined;
    const end = offset + 4 + blob.readUInt32BE(offset);
    if (end > blob.length) return undefined;
    strings.push(blob.subarray(offset + 4, end));
    offset = end;
  }
  return strings;
}

function printable(text: string): string {
  return /^[a-z0-9@.-]{1,64}$/.test(text) ? text : 'something else';
}
