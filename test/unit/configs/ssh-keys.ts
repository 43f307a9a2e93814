import {generateKeyPairSync} from 'node:crypto';

function wire(...parts: readonly (Buffer | string)[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.from(part);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}

const number = (base64url: string | undefined) => {
  const bytes = Buffer.from(base64url ?? '', 'base64url');
  return (bytes[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes;
};

/** The blob of a fresh public key of that type. */
export function sshBlob(type: string): Buffer {
  if (type === 'ssh-rsa') {
    const {n, e} = generateKeyPairSync('rsa', {modulusLength: 2048}).publicKey.export({format: 'jwk'});
    return wire(type, number(e), number(n));
  }
  if (type.includes('ed25519')) {
    const {x} = generateKeyPairSync('ed25519').publicKey.export({format: 'jwk'});
    const key = Buffer.from(x ?? '', 'base64url');
    return type.startsWith('sk-') ? wire(type, key, 'ssh:') : wire(type, key);
  }
  const curve = /nistp\d+/.exec(type)?.[0] ?? '';
  const namedCurve = {nistp256: 'P-256', nistp384: 'P-384', nistp521: 'P-521'}[curve] ?? '';
  const {x, y} = generateKeyPairSync('ec', {namedCurve}).publicKey.export({format: 'jwk'});
  const point = Buffer.concat([
    Buffer.from([4]),
    Buffer.from(x ?? '', 'base64url'),
    Buffer.from(y ?? '', 'base64url'),
  ]);
  return type.startsWith('sk-') ? wire(type, curve, point, 'ssh:') : wire(type, curve, point);
}

/** A line of a .pub file. */
export function sshKeyLine(type = 'ssh-ed25519', comment = 'me@home'): string {
  return `${type} ${sshBlob(type).toString('base64')} ${comment}`.trim();
}
