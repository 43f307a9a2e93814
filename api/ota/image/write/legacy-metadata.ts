import {emptyFileHex, sha256Hex} from '../model/digest.ts';
import {digestOfInput} from './index-jwt.ts';
import type {SigningKey} from './signing-key.ts';

/**
 * certificate.pem and a metadata.jwt of an empty root file system: enough for an otaclient that only knows the legacy
 * format to find its own update in the image. The JWT is of the legacy style: padded, with a DER signature.
 */
export function legacyFiles(certificate: string, key: SigningKey): Readonly<Record<string, string>> {
  const empty = emptyFileHex;
  const payload = [
    {version: 1},
    {directory: 'dirs.txt', hash: empty},
    {symboliclink: 'symlinks.txt', hash: empty},
    {regular: 'regulars.txt', hash: empty},
    {persistent: 'persistents.txt', hash: empty},
    {certificate: 'certificate.pem', hash: sha256Hex(Buffer.from(certificate))},
    {rootfs_directory: 'data'},
    {total_regular_size: '0'},
    {compressed_rootfs_directory: 'data.zstd'},
  ];
  const input = `${padded('{"alg": "ES256", "typ": "JWT"}')}.${padded(spaced(payload))}`;
  return {
    'certificate.pem': certificate,
    'metadata.jwt': `${input}.${padded(key.sign(digestOfInput(input), 'der'))}`,
  };
}

/** JSON with the spaces of Python's; the values hold neither `":` nor `,"`. */
function spaced(value: unknown): string {
  return JSON.stringify(value).replaceAll('":', '": ').replaceAll(',"', ', "').replaceAll('},{', '}, {');
}

/** base64url with `=` at the end. */
function padded(content: string | Buffer): string {
  return Buffer.from(content).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}
