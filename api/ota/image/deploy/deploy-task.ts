import type {BundlePlan, ContentPlan} from '../content/content-plan.ts';
import type {Sha256Hex} from '../model/digest.ts';

/** A file to be made: where, whose, and with which permissions. */
export interface FileTarget {
  /** As in the file table: `/etc/hostname`. */
  readonly path: string;
  readonly uid: number;
  readonly gid: number;
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number;
}

/** All files with one content. */
export interface FileJob {
  readonly content:
    ContentPlan | {readonly kind: 'inline'; readonly digest: Sha256Hex; readonly bytes: Uint8Array};
  readonly targets: readonly FileTarget[];
}

/** Files that are cut out of one bundle, which is therefore made once. */
export interface BundleTask {
  readonly kind: 'bundle';
  readonly bundle: ContentPlan;
  readonly members: readonly {readonly content: BundlePlan; readonly targets: readonly FileTarget[]}[];
}

/** What a worker thread does at a time. */
export type DeployTask = {readonly kind: 'files'; readonly jobs: readonly FileJob[]} | BundleTask;
