import {SaxesParser, type SaxesTagPlain} from 'saxes';
import {checksumAlgorithms, type Checksum, type ChecksumAlgorithm} from './download-request.ts';
import {isDigest} from './checksum.ts';

/** A file as a metalink describes it. */
export interface Metalink {
  readonly name: string;
  readonly sizeBytes: number | undefined;
  /** The strongest that it has. */
  readonly checksum: Checksum | undefined;
  /** The best first; only http and https. */
  readonly urls: readonly string[];
}

/** A metalink that cannot be used. The message says why, without its address. */
export class MetalinkError extends Error {
  override readonly name = 'MetalinkError';
}

/** With hashes of all pieces of a file of 100 GB it has some 2 MiB. */
export const mostMetalinkBytes = 16 * 1024 * 1024;
const mostDepth = 16;
const mostUrls = 200;

/** Whether an address is one of a metalink, by its name. */
export function isMetalinkUrl(url: string): boolean {
  return /\.(?:meta4|metalink)$/i.test(new URL(url).pathname);
}

interface MutableFile {
  name: string;
  sizeBytes: number | undefined;
  checksums: Checksum[];
  urls: {readonly url: string; readonly rank: number}[];
}

/**
 * Reads a metalink: version 4 (RFC 5854) or 3.
 *
 * @throws MetalinkError when it is not well-formed, has a document type (whose entities could grow without end), describes
 * several files or has no address.
 */
export function parseMetalink(text: string): Metalink {
  const files: MutableFile[] = [];
  const path: SaxesTagPlain[] = [];
  let content = '';
  const parser = new SaxesParser();
  parser.on('doctype', () => {
    throw new MetalinkError('it has a document type, which no metalink needs');
  });
  parser.on('error', (error) => {
    throw new MetalinkError(`it is not well-formed XML: ${error.message}`);
  });
  parser.on('opentag', (tag) => {
    path.push(tag);
    if (path.length > mostDepth) throw new MetalinkError('it is nested too deeply');
    content = '';
    const file = fileElement(path);
    if (file === path.length - 1)
      files.push({name: tag.attributes['name'] ?? '', sizeBytes: undefined, checksums: [], urls: []});
  });
  parser.on('text', (piece) => {
    content += piece;
  });
  parser.on('cdata', (piece) => {
    content += piece;
  });
  parser.on('closetag', (tag) => {
    const file = files.at(-1);
    if (file !== undefined && fileElement(path) !== undefined) {
      takeElement(
        file,
        path.map(({name}) => localName(name)),
        tag,
        content.trim(),
      );
    }
    path.pop();
    content = '';
  });
  parser.write(text).close();
  const [file, other] = files;
  if (file === undefined) throw new MetalinkError('it describes no file');
  if (other !== undefined)
    throw new MetalinkError(`it describes several files: ${file.name}, ${other.name}, …`);
  const urls = [...file.urls].sort((a, b) => a.rank - b.rank).map(({url}) => url);
  if (urls.length === 0) throw new MetalinkError('it has no http or https address');
  const checksum = [...file.checksums].sort((a, b) => strength(b) - strength(a))[0];
  return {name: file.name, sizeBytes: file.sizeBytes, checksum, urls: [...new Set(urls)]};
}

/** The depth of the `file` element that the path is in. */
function fileElement(path: readonly SaxesTagPlain[]): number | undefined {
  const names = path.map(({name}) => localName(name));
  if (names[0] !== 'metalink') throw new MetalinkError('it is not a metalink');
  if (names[1] === 'file') return 1;
  return names[1] === 'files' && names[2] === 'file' ? 2 : undefined;
}

function takeElement(file: MutableFile, path: readonly string[], tag: SaxesTagPlain, text: string): void {
  const [name, parent] = [path.at(-1), path.at(-2)];
  switch (name) {
    case 'size':
      if (parent === 'file' && /^\d{1,15}$/.test(text)) file.sizeBytes = Number(text);
      return;
    case 'hash': {
      // The hashes of pieces have no type of their own, or a parent of another name.
      const algorithm = algorithmOf(tag.attributes['type']);
      const isWhole = parent === 'file' || parent === 'verification';
      if (isWhole && algorithm !== undefined && isDigest(algorithm, text)) {
        file.checksums.push({algorithm, value: text.toLowerCase(), kind: 'digest'});
      }
      return;
    }
    case 'url': {
      const isWeb = URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol);
      if (!isWeb || file.urls.length >= mostUrls) return;
      // Version 4: 1 is best. Version 3: 100 is.
      const {priority, preference} = tag.attributes;
      const rank = priority === undefined ? 1000 - number(preference, 0) : number(priority, 999_999);
      file.urls.push({url: text, rank});
      return;
    }
    default:
  }
}

function number(text: string | undefined, otherwise: number): number {
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : otherwise;
}

/** `sha-256` in version 4, `sha256` in version 3. */
function algorithmOf(type: string | undefined): ChecksumAlgorithm | undefined {
  const wanted = type?.toLowerCase().replace(/^sha(?=\d)/, 'sha-');
  return checksumAlgorithms.find((algorithm) => algorithm === wanted);
}

const fromWeakest: readonly ChecksumAlgorithm[] = [
  'adler32',
  'md5',
  'sha-1',
  'sha-224',
  'sha-256',
  'sha-384',
  'sha-512',
];

function strength({algorithm}: Checksum): number {
  // SHA-256 is computed anyway: a longer one would only cost time.
  return algorithm === 'sha-256' ? fromWeakest.length : fromWeakest.indexOf(algorithm);
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}
