import {execFileSync, spawnSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {mkdir, open, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {sliceOf, FileSource} from '../../../../api/disk/byte-source.ts';
import {openExt4} from '../../../../api/disk/ext4.ts';
import {openFat} from '../../../../api/disk/fat.ts';
import {readPartitionTable} from '../../../../api/disk/partition-table.ts';
import {makeDisk, makeFat, type PartitionSpec} from '../disk/images.ts';

export const MiB = 1024 * 1024;
const env = {...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C'};

/** What is different about a base image. */
export interface BaseSpec {
  /** Files of the data partition. */
  readonly data?: Readonly<Record<string, string>>;
  readonly dataBytes?: number;
  /** Options of mke2fs for it. */
  readonly options?: readonly string[];
  /** Without a data partition; the files are those of the root partition. */
  readonly isTwoParts?: boolean;
  /** Changes the disk before it is written. */
  readonly change?: (disk: Buffer) => void;
}

/** Writes a base image like those of Kiwix Offspot, but small: FAT, root and data partition. */
export async function makeBase(path: string, spec: BaseSpec = {}): Promise<string> {
  const {data = {master_fs: '', 'images/base-httpd-1.0.tar': 'a tar'}, dataBytes = 16 * MiB} = spec;
  const {options = ['-T', 'largefile', '-m', '1', '-N', '128'], isTwoParts = false} = spec;
  await mkdir(dirname(path), {recursive: true});
  const boot = makeFat([{name: 'CMDLINE TXT', content: 'root=PARTUUID=12345678-02'}]);
  const root = makeExt4(path, 8 * MiB, isTwoParts ? data : {'etc/fstab': 'x'}, isTwoParts ? options : []);
  const start = MiB / 512;
  const partitions: PartitionSpec[] = [{start, type: 0x0c, content: boot}];
  const rootStart = start + Math.ceil(boot.length / MiB) * (MiB / 512);
  partitions.push({start: rootStart, type: 0x83, content: root});
  let end = rootStart + root.length / 512;
  if (!isTwoParts) {
    const content = makeExt4(path, dataBytes, data, options);
    partitions.push({start: end, type: 0x83, content});
    end += content.length / 512;
  }
  const disk = makeDisk(end, partitions);
  spec.change?.(disk);
  await writeFile(path, disk);
  return path;
}

function makeExt4(
  near: string,
  bytes: number,
  files: Readonly<Record<string, string>>,
  options: readonly string[],
): Buffer {
  const tree = `${near}.tree`;
  const file = `${near}.ext4`;
  mkdirSync(tree, {recursive: true});
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, name)), {recursive: true});
    writeFileSync(join(tree, name), content);
  }
  writeFileSync(file, '');
  const args = [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-b',
    '4096',
    '-E',
    'root_owner=0:0',
    '-d',
    tree,
    ...options,
    file,
    `${bytes / 1024}k`,
  ];
  execFileSync('mke2fs', args, {env, stdio: 'pipe'});
  const content = readFileSync(file);
  execFileSync('rm', ['-r', tree, file]);
  return content;
}

/** A file of the data partition of an image. */
export interface FoundFile {
  readonly type: string;
  readonly mode: string;
  readonly owner: string;
  readonly mtime: number;
  readonly content?: Buffer;
  readonly target?: string | undefined;
}

/** What an image consists of, read with other code than it was written with as far as e2fsck goes. */
export interface FoundImage {
  readonly sizeBytes: number;
  readonly sha256: string;
  /** By path on the last partition. */
  readonly data: ReadonlyMap<string, FoundFile>;
  readonly boot: ReadonlyMap<string, string>;
  readonly partitions: readonly {readonly startBytes: number; readonly sizeBytes: number}[];
  /** Of e2fsck about the last partition; empty when it is sound. */
  readonly complaints: string;
}

export async function readImage(path: string): Promise<FoundImage> {
  const source = await FileSource.open(path);
  try {
    const partitions = (await readPartitionTable(source))?.partitions ?? [];
    const [first] = partitions;
    const last = partitions.at(-1);
    if (first === undefined || last === undefined) throw new Error('no partitions');
    const bootTree = await (await openFat(sliceOf(source, first.startBytes, first.sizeBytes)))?.readTree();
    const boot = new Map<string, string>();
    for (const [name, {content}] of bootTree ?? [])
      if (content !== undefined) boot.set(name, (await content.read(0, content.sizeBytes)).toString('utf8'));
    const dataTree = await (await openExt4(sliceOf(source, last.startBytes, last.sizeBytes)))?.readTree();
    const data = new Map<string, FoundFile>();
    for (const [name, {fields, content}] of dataTree ?? []) {
      data.set(name, {
        type: fields.get('type') ?? '',
        mode: fields.get('mode') ?? '',
        owner: `${fields.get('uid') ?? ''}:${fields.get('gid') ?? ''}`,
        mtime: Number(/\((\d+)\)/.exec(fields.get('mtime') ?? '')?.[1]),
        ...(content !== undefined && {content: await content.read(0, content.sizeBytes)}),
        ...(fields.has('target') && {target: fields.get('target')}),
      });
    }
    const check = spawnSync('e2fsck', ['-fn', `${path}?offset=${last.startBytes}`], {env, encoding: 'utf8'});
    const all = await source.read(0, source.sizeBytes);
    return {
      sizeBytes: source.sizeBytes,
      sha256: createHash('sha256').update(all).digest('hex'),
      data,
      boot,
      partitions,
      complaints: check.status === 0 ? '' : check.stdout + check.stderr,
    };
  } finally {
    await source.close();
  }
}

/** Runs a program of the system, as tar or xz. */
export function run(program: string, args: readonly string[], cwd: string): void {
  execFileSync(program, args, {cwd, env, stdio: 'pipe'});
}

/** A file that is large, but not on the disk. */
export async function makeSparse(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w');
  await file.truncate(bytes);
  await file.close();
}
