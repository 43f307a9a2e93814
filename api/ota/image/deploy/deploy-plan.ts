import {OtaError} from '../../ota-error.ts';
import {planContent, type BundlePlan} from '../content/content-plan.ts';
import type {Sha256Hex} from '../model/digest.ts';
import {
  maxInlineSize,
  type DirectoryRow,
  type FileResourceRow,
  type Inode,
  type NonRegularRow,
} from '../model/file-table.ts';
import type {FileTable} from '../read/file-table.ts';
import type {ResourceTable} from '../read/resource-table.ts';
import {PathTree} from './path-tree.ts';
import type {BundleTask, DeployTask, FileJob, FileTarget} from './deploy-task.ts';

/** A further name of a file that was made before. */
export interface HardLink {
  readonly path: string;
  readonly of: string;
}

/** An entry whose extended attributes are not empty. */
export interface XattrTarget {
  readonly path: string;
  readonly xattrs: Inode['xattrs'];
}

/** All that is done to make a root file system. */
export interface DeployPlan {
  /** In an order in which each comes after the folder that it is in. */
  readonly directories: readonly DirectoryRow[];
  readonly nonRegulars: readonly NonRegularRow[];
  readonly tasks: readonly DeployTask[];
  readonly hardLinks: readonly HardLink[];
  readonly xattrs: readonly XattrTarget[];
  readonly regularFiles: number;
  /** Bytes that are written. */
  readonly bytes: number;
}

/**
 * Plans a deployment. All paths are plain and absolute, every entry lies in a directory of the table (and so never
 * behind a symbolic link), and no path is used twice.
 * @throws {OtaError} PATH_UNSAFE, TABLE_INVALID, FILTER_INVALID
 */
export function planDeployment(files: FileTable, resources: ResourceTable): DeployPlan {
  const tree = new PathTree();
  const xattrs: XattrTarget[] = [];
  const note = ({path, inode}: {path: string; inode: Inode}) => {
    if (inode.xattrs.size > 0) xattrs.push({path, xattrs: inode.xattrs});
  };
  const directories = [...files.directories()].sort((a, b) => depth(a.path) - depth(b.path));
  for (const row of directories) {
    tree.addDirectory(row.path);
    note(row);
  }
  const nonRegulars = [...files.nonRegulars()];
  for (const row of nonRegulars) {
    tree.add(row.path);
    note(row);
  }
  const jobs = new JobCollector(files, resources);
  const hardLinks: HardLink[] = [];
  const firstOf = new Map<number, {path: string; resourceId: number}>();
  let regularFiles = 0;
  for (const row of files.regulars()) {
    const {path, inode, resourceId} = row;
    tree.add(path);
    regularFiles++;
    const first = firstOf.get(inode.id);
    if (first && (inode.linksCount ?? 1) > 1) {
      if (first.resourceId !== resourceId) {
        throw new OtaError('TABLE_INVALID', `${path} and ${first.path} are one file with two contents`);
      }
      hardLinks.push({path, of: first.path});
      continue;
    }
    firstOf.set(inode.id, {path, resourceId});
    jobs.add(resourceId, {path, uid: inode.uid, gid: inode.gid, mode: inode.mode & 0o7777});
    note(row);
  }
  return {directories, nonRegulars, hardLinks, xattrs, regularFiles, ...jobs.finish()};
}

function depth(path: string): number {
  return path === '/' ? 0 : path.split('/').length - 1;
}

/** Enough for the overhead of sending a task not to count, and little enough for the threads to end together. */
const taskBytes = 4 * 1024 * 1024;
const taskFiles = 512;

/** Puts the files of the table together by content, and these into tasks. */
class JobCollector {
  readonly #files: FileTable;
  readonly #resources: ResourceTable;
  readonly #targets = new Map<number, FileTarget[]>();

  constructor(files: FileTable, resources: ResourceTable) {
    this.#files = files;
    this.#resources = resources;
  }

  add(resourceId: number, target: FileTarget): void {
    const targets = this.#targets.get(resourceId);
    if (targets) targets.push(target);
    else this.#targets.set(resourceId, [target]);
  }

  /** Large tasks come first, so that none of them is the last one running. */
  finish(): {tasks: readonly DeployTask[]; bytes: number} {
    const bundles = new Map<
      Sha256Hex,
      {bundle: BundlePlan['of']; members: BundleTask['members'][number][]}
    >();
    const jobs: {job: FileJob; size: number}[] = [];
    let bytes = 0;
    for (const row of this.#files.resources()) {
      const targets = this.#targets.get(row.id);
      if (!targets) continue;
      this.#targets.delete(row.id);
      bytes += row.size * targets.length;
      const content = this.#contentOf(row);
      if (content.kind === 'bundle') {
        const group = bundles.get(content.of.digest) ?? {bundle: content.of, members: []};
        group.members.push({content, targets});
        bundles.set(content.of.digest, group);
      } else {
        jobs.push({job: {content, targets}, size: row.size});
      }
    }
    for (const [id, [target]] of this.#targets) {
      throw new OtaError(
        'TABLE_INVALID',
        `${target?.path ?? 'A file'} has the resource ${id}, which is not there`,
      );
    }
    const bundleTasks: DeployTask[] = [...bundles.values()].map((group) => ({kind: 'bundle', ...group}));
    return {tasks: [...bundleTasks, ...inTasks(jobs)], bytes};
  }

  #contentOf({id, digest, size, contents}: FileResourceRow): FileJob['content'] {
    if (contents) {
      if (contents.length === size && size <= maxInlineSize) return {kind: 'inline', digest, bytes: contents};
      throw new OtaError(
        'TABLE_INVALID',
        `Resource ${id} of the file table has ${contents.length} bytes, not ${size}`,
      );
    }
    const row = this.#resources.find(digest);
    if (row?.size !== size) {
      const problem = row ? `has ${row.size} bytes in the resource table and ${size}` : 'is only';
      throw new OtaError('TABLE_INVALID', `The resource ${digest} ${problem} in the file table`);
    }
    return planContent(this.#resources, row);
  }
}

function inTasks(jobs: readonly {job: FileJob; size: number}[]): DeployTask[] {
  const tasks: DeployTask[] = [];
  let current: FileJob[] = [];
  let bytes = 0;
  const close = () => {
    if (current.length > 0) tasks.push({kind: 'files', jobs: current});
    current = [];
    bytes = 0;
  };
  for (const {job, size} of [...jobs].sort((a, b) => b.size - a.size)) {
    if (current.length > 0 && (bytes + size > taskBytes || current.length >= taskFiles)) close();
    current.push(job);
    bytes += size;
  }
  close();
  return tasks;
}
