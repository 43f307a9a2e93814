import {verify, type KeyObject} from 'node:crypto';
import {OtaError} from '../ota-error.ts';

/** A file that metadata.jwt vouches for. */
export interface HashedFile {
  readonly file: string;
  /** SHA-256 in hex. */
  readonly hash: string;
}

/** What metadata.jwt says. */
export interface LegacyMetadata {
  readonly version: number;
  readonly directory: HashedFile;
  readonly symboliclink: HashedFile;
  readonly regular: HashedFile;
  readonly persistent: HashedFile;
  readonly certificate: HashedFile;
  readonly rootfsDirectory: string;
  readonly compressedRootfsDirectory?: string | undefined;
  readonly totalRegularSize?: number | undefined;
}

/** A token that was taken apart, with its signature not checked yet. */
export interface MetadataToken {
  readonly metadata: LegacyMetadata;
  /** `header.payload`: what the signature is made over. */
  readonly signingInput: string;
  /** ECDSA in DER, unlike in a real JWT. */
  readonly signature: Buffer;
}

const hashedFiles = ['directory', 'symboliclink', 'regular', 'persistent', 'certificate'] as const;

/**
 * Takes metadata.jwt apart. It is a JWT in a dialect of its own: base64url with padding (taken without, too), a list of
 * small objects, a signature in DER.
 *
 * @throws {OtaError} METADATA_INVALID
 */
export function parseMetadataToken(text: string): MetadataToken {
  const parts = text.trim().split('.');
  const [header = '', payload = '', signature = ''] = parts;
  if (parts.length !== 3) throw invalid('it has no three parts');
  const algorithm = jsonOf(decode(header)) as {alg?: unknown} | null;
  if (algorithm?.alg !== 'ES256') throw invalid('its algorithm is not ES256');
  const list = jsonOf(decode(payload));
  if (!Array.isArray(list)) throw invalid('its payload is not a list');
  return {
    metadata: readMetadata(list),
    signingInput: `${header}.${payload}`,
    signature: decode(signature),
  };
}

/** Whether the key made the signature. */
export function isSignedWith({signingInput, signature}: MetadataToken, key: KeyObject): boolean {
  return key.asymmetricKeyType === 'ec' && verify('sha256', Buffer.from(signingInput), key, signature);
}

/** The signing input for metadata, written as the reference writes it. */
export function formatSigningInput(metadata: LegacyMetadata): string {
  const {rootfsDirectory, compressedRootfsDirectory, totalRegularSize} = metadata;
  const named = (key: (typeof hashedFiles)[number]) => ({
    [key]: metadata[key].file,
    hash: metadata[key].hash,
  });
  const list = [
    {version: metadata.version},
    named('directory'),
    named('symboliclink'),
    named('regular'),
    named('persistent'),
    {rootfs_directory: rootfsDirectory},
    named('certificate'),
    ...(totalRegularSize === undefined ? [] : [{total_regular_size: String(totalRegularSize)}]),
    ...(compressedRootfsDirectory === undefined
      ? []
      : [{compressed_rootfs_directory: compressedRootfsDirectory}]),
  ];
  return `${encode(Buffer.from(pythonJson({alg: 'ES256'})))}.${encode(Buffer.from(pythonJson(list)))}`;
}

/** A complete token. */
export function formatToken(signingInput: string, signature: Buffer): string {
  return `${signingInput}.${encode(signature)}`;
}

/** JSON as Python's `json.dumps` writes it by default: a space after commas and colons, ASCII only. */
export function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([key, item]) => `${pythonJson(key)}: ${pythonJson(item)}`)
      .join(', ')}}`;
  }
  return JSON.stringify(value).replaceAll(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function readMetadata(list: readonly unknown[]): LegacyMetadata {
  // The first object that has a key counts.
  const find = (key: string) =>
    list.find((item): item is Record<string, unknown> => isObject(item) && Object.hasOwn(item, key));
  const text = (key: string) => {
    const value = find(key)?.[key];
    if (value !== undefined && typeof value !== 'string') throw invalid(`${key} is not a text`);
    return value;
  };
  const version = find('version')?.['version'];
  if (version !== 1)
    throw invalid(`its version is ${version === undefined ? 'absent' : JSON.stringify(version)}, not 1`);
  const files = Object.fromEntries(
    hashedFiles.map((key) => {
      const file = text(key);
      const hash = find(key)?.['hash'];
      if (file === undefined || typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash)) {
        throw invalid(`${key} with its hash is missing`);
      }
      return [key, {file: plainName(key, file), hash}];
    }),
  ) as Record<(typeof hashedFiles)[number], HashedFile>;
  const rootfsDirectory = text('rootfs_directory');
  if (rootfsDirectory === undefined) throw invalid('rootfs_directory is missing');
  const compressed = text('compressed_rootfs_directory');
  const size = find('total_regular_size')?.['total_regular_size'];
  return {
    version,
    ...files,
    rootfsDirectory: plainName('rootfs_directory', rootfsDirectory),
    ...(compressed !== undefined && {
      compressedRootfsDirectory: plainName('compressed_rootfs_directory', compressed),
    }),
    ...(/^\d{1,16}$/.test(String(size)) && {totalRegularSize: Number(size)}),
  };
}

/** Files and folders lie at the top of an image: nothing in metadata may lead elsewhere. */
function plainName(key: string, name: string): string {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) {
    throw new OtaError(
      'PATH_UNSAFE',
      `metadata.jwt: ${key} is ${JSON.stringify(name)}, not the name of a file`,
    );
  }
  return name;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function decode(text: string): Buffer {
  if (!/^[\w-]*={0,2}$/.test(text)) throw invalid('it is not base64url');
  return Buffer.from(text, 'base64url');
}

function encode(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw invalid('a part of it is not JSON');
  }
}

function invalid(problem: string): OtaError {
  return new OtaError('METADATA_INVALID', `metadata.jwt is not valid: ${problem}`);
}
