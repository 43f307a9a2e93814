import {closeSync, fstatSync, openSync, readSync} from 'node:fs';
import {posix} from 'node:path';
import {OtaError} from '../ota-error.ts';
import {decodeName, EntryList} from './entry-list.ts';
import {fileTypes, type Rootfs, type RootfsEntry} from './rootfs.ts';
import {readTarEntries, type SequentialReader, type TarEntry} from './tar-entries.ts';

const types: Readonly<Record<string, number>> = {
  '0': fileTypes.file,
  '2': fileTypes.link,
  '3': fileTypes.characterDevice,
  '4': fileTypes.blockDevice,
  '5': fileTypes.folder,
  '6': fileTypes.pipe,
};

/**
 * Reads a root file system from an uncompressed tar archive; of two entries with the same name the last one counts. Where
 * the archive has no entry for the root, it belongs to root with mode 0755.
 * @throws {OtaError} ROOTFS_INVALID, PATH_UNSAFE, NAME_NOT_UTF8
 */
export async function openTarRootfs(file: string): Promise<Rootfs> {
  const descriptor = openSync(file, 'r');
  try {
    return await readRootfs(file, descriptor);
  } finally {
    closeSync(descriptor);
  }
}

async function readRootfs(file: string, descriptor: number): Promise<Rootfs> {
  const archiveBytes = fstatSync(descriptor).size;
  const list = new EntryList();
  list.add({path: '/', mode: fileTypes.folder | 0o755, uid: 0, gid: 0, xattrs: new Map()});
  const links: {path: string; target: string}[] = [];
  for await (const entry of readTarEntries(fileReader(descriptor))) {
    const path = canonical(entry.path);
    if (entry.type === '1') {
      links.push({path, target: canonical(entry.linkTarget)});
      continue;
    }
    const type = types[entry.type];
    if (type === undefined)
      throw new OtaError('ROOTFS_INVALID', `The tar archive holds ${path} of the unknown type ${entry.type}`);
    if (type === fileTypes.file && entry.contentStart + entry.sizeBytes > archiveBytes)
      throw new OtaError('ROOTFS_INVALID', `The tar archive is cut off in ${path}`);
    list.add(toEntry(file, path, type, entry), entry);
  }
  addLinks(list, links);
  return list.finish();
}

function toEntry(file: string, path: string, type: number, entry: TarEntry): RootfsEntry {
  const {contentStart, sizeBytes, linkTarget} = entry;
  return {
    path,
    mode: type | entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    xattrs: entry.xattrs,
    ...(type === fileTypes.file && {
      content: {file, sizeBytes, extents: [{start: contentStart, length: sizeBytes}]},
    }),
    ...(type === fileTypes.link && {target: decodeName(linkTarget, `The target of the link ${path}`)}),
  };
}

/** An archive has the content under the first name; the other names refer to it. */
function addLinks(list: EntryList, links: readonly {path: string; target: string}[]): void {
  const counts = new Map<string, number>();
  for (const {target} of links) counts.set(target, (counts.get(target) ?? 1) + 1);
  for (const [target, count] of counts) {
    const first = list.get(target);
    if (first === undefined) {
      const name = links.find((link) => link.target === target)?.path ?? '';
      throw new OtaError(
        'ROOTFS_INVALID',
        `The tar archive has ${name} as a link to ${target}, which it does not hold`,
      );
    }
    list.add({...first, links: {key: target, count}});
  }
  for (const {path, target} of links) {
    const first = list.get(target);
    if (first !== undefined) list.add({...first, path});
  }
}

/** `./etc/hostname` and `etc/hostname` as `/etc/hostname`. */
function canonical(name: Buffer): string {
  const text = decodeName(name, 'A name in the tar archive');
  if (text.split('/').includes('..'))
    throw new OtaError('PATH_UNSAFE', `The tar archive has a path with "..": ${text}`);
  return posix.resolve('/', text);
}

/** Blocking reads: headers are many and small. */
function fileReader(descriptor: number): SequentialReader {
  let position = 0;
  return {
    get position() {
      return position;
    },
    read(length) {
      const buffer = Buffer.allocUnsafe(length);
      const bytes = buffer.subarray(0, readSync(descriptor, buffer, 0, length, position));
      position += bytes.length;
      return Promise.resolve(bytes);
    },
    skip(length) {
      position += length;
      return Promise.resolve();
    },
  };
}
