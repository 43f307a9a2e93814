import {FileSource, sliceOf, type Extent} from '../../disk/byte-source.ts';
import {openExt4} from '../../disk/ext4.ts';
import {DamagedError, type TreeEntry} from '../../disk/file-system.ts';
import {readPartitionTable} from '../../disk/partition-table.ts';
import {OtaError} from '../ota-error.ts';
import {EntryList} from './entry-list.ts';
import {readExt4Xattrs} from './ext4-xattrs.ts';
import {fileTypes, type Rootfs} from './rootfs.ts';

const types: Readonly<Record<string, number>> = {
  file: fileTypes.file,
  folder: fileTypes.folder,
  link: fileTypes.link,
  pipe: fileTypes.pipe,
  socket: fileTypes.socket,
  'character device': fileTypes.characterDevice,
  'block device': fileTypes.blockDevice,
};

/**
 * Reads a root file system from an image: of a partition (ext2, ext3 or ext4), or of a disk, whose first such partition
 * counts. Nothing is mounted.
 * @throws {OtaError} ROOTFS_INVALID, NAME_NOT_UTF8
 */
export async function openExt4Rootfs(file: string): Promise<Rootfs> {
  await using source = await FileSource.open(file);
  try {
    for (const {startBytes, sizeBytes} of await candidates(source)) {
      const found = await openExt4(sliceOf(source, startBytes, sizeBytes));
      if (found) return toRootfs(file, startBytes, await found.readTree());
    }
  } catch (error) {
    if (error instanceof DamagedError)
      throw new OtaError('ROOTFS_INVALID', `The file system in ${file} is damaged: ${error.message}`);
    throw error;
  }
  throw new OtaError('ROOTFS_INVALID', `${file} is no tar archive and holds no ext4 file system`, {
    hint: 'Give a folder, a tar archive (also .gz or .zst), or the image of an ext4 partition or of a disk with one.',
  });
}

async function candidates(source: FileSource): Promise<readonly {startBytes: number; sizeBytes: number}[]> {
  const table = await readPartitionTable(source);
  return [{startBytes: 0, sizeBytes: source.sizeBytes}, ...(table?.partitions ?? [])];
}

function toRootfs(file: string, startBytes: number, tree: ReadonlyMap<string, TreeEntry>): Rootfs {
  const list = new EntryList();
  for (const [path, {fields, content, inode, attributeAreas = {}}] of tree) {
    const type = types[fields.get('type') ?? ''];
    if (type === undefined) throw new OtaError('ROOTFS_INVALID', `${path} in ${file} is of an unknown type`);
    const target = fields.get('target');
    checkText(path, `The name ${path}`);
    if (target !== undefined) checkText(target, `The target of the link ${path}`);
    const count = Number(fields.get('links'));
    const number = (name: string, base: number) => Number.parseInt(fields.get(name) ?? '', base);
    list.add(
      {
        path,
        mode: type | number('mode', 8),
        uid: number('uid', 10),
        gid: number('gid', 10),
        xattrs: readExt4Xattrs(attributeAreas, path),
        ...(count > 1 && type !== fileTypes.folder && {links: {key: String(inode), count}}),
        ...(content && {
          content: {
            file,
            sizeBytes: content.sizeBytes,
            extents: extentsOf(content).map(({start, length}) => ({
              start: start === undefined ? undefined : start + startBytes,
              length,
            })),
          },
        }),
        ...(target !== undefined && {target}),
      },
      {isDevice00: /^0*$/.test(fields.get('device') ?? '')},
    );
  }
  return list.finish();
}

function extentsOf(content: object): readonly Extent[] {
  return (content as {extents: readonly Extent[]}).extents;
}

/** The reader puts U+FFFD where bytes are no UTF-8. */
function checkText(text: string, what: string): void {
  if (text.includes('\ufffd')) throw new OtaError('NAME_NOT_UTF8', `${what} is not UTF-8`);
}
