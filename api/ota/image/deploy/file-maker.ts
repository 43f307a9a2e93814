import {closeSync, fchmodSync, fchownSync, openSync, rmSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import {BlobFiles} from '../content/blob-files.ts';
import type {ContentPlan} from '../content/content-plan.ts';
import {ContentReader, memberOf} from '../content/content-reader.ts';
import {FileAccess} from '../read/file-access.ts';
import type {LocalImage} from '../read/image-source.ts';
import {OtaError} from '../../ota-error.ts';
import {sha256Hex} from '../model/digest.ts';
import type {BundleTask, DeployTask, FileJob, FileTarget} from './deploy-task.ts';

/** What a thread that makes files is started with. */
export interface FileMakerData {
  readonly image: LocalImage;
  /** The new root file system: nobody else writes there, and all directories are made. */
  readonly root: string;
  /** For what is too large for memory; an empty folder of its own. */
  readonly scratch: string;
}

/** Makes the regular files of a root file system with blocking calls, which is several times as fast for small files. */
export class FileMaker implements Disposable {
  readonly #root: string;
  readonly #scratch: string;
  readonly #blobs: BlobFiles;
  readonly #contents: ContentReader;

  constructor({image, root, scratch}: FileMakerData) {
    this.#root = root;
    this.#scratch = scratch;
    this.#blobs = new BlobFiles(image);
    this.#contents = new ContentReader(this.#blobs);
  }

  /** @throws {OtaError} for what is wrong with the image; errors of the file system as they are */
  async run(task: DeployTask): Promise<void> {
    if (task.kind === 'bundle') await this.#unbundle(task);
    else for (const {content, targets} of task.jobs) await this.#make(content, targets);
  }

  [Symbol.dispose](): void {
    this.#blobs[Symbol.dispose]();
  }

  async #make(content: FileJob['content'], targets: readonly FileTarget[]): Promise<void> {
    const bytes = content.kind === 'inline' ? inlineBytes(content) : this.#contents.whole(content);
    if (bytes) this.#writeAll(bytes, targets);
    else if (content.kind !== 'inline') for (const target of targets) await this.#stream(content, target);
  }

  async #unbundle({bundle, members}: BundleTask): Promise<void> {
    const bytes = this.#contents.wholeBundle(bundle);
    if (bytes) {
      for (const {content, targets} of members) this.#writeAll(memberOf(bytes, content), targets);
      return;
    }
    const file = join(this.#scratch, bundle.digest);
    try {
      await this.#spill(bundle, file);
      using access = new FileAccess(file);
      for (const {content, targets} of members) {
        const member = access.readNow(content.offset, content.size);
        this.#writeAll(memberOf(member, {...content, offset: 0}), targets);
      }
    } finally {
      rmSync(file, {force: true});
    }
  }

  #writeAll(bytes: Uint8Array, targets: readonly FileTarget[]): void {
    for (const target of targets) {
      this.#create(target, (fd) => {
        writeFully(fd, bytes);
      });
    }
  }

  async #stream(content: ContentPlan, {path, uid, gid, mode}: FileTarget): Promise<void> {
    const file = this.#root + path;
    await this.#spill(content, file);
    const fd = openSync(file, 'r+');
    try {
      fchownSync(fd, uid, gid);
      fchmodSync(fd, mode);
    } finally {
      closeSync(fd);
    }
  }

  async #spill(content: ContentPlan, file: string): Promise<void> {
    const fd = openSync(file, 'wx', 0o600);
    try {
      for await (const piece of this.#contents.stream(content)) writeFully(fd, piece);
    } finally {
      closeSync(fd);
    }
  }

  #create({path, uid, gid, mode}: FileTarget, fill: (fd: number) => void): void {
    const fd = openSync(this.#root + path, 'wx', 0o600);
    try {
      fill(fd);
      // In this order: changing the owner clears setuid, and the mode must not depend on the umask.
      fchownSync(fd, uid, gid);
      fchmodSync(fd, mode);
    } finally {
      closeSync(fd);
    }
  }
}

function inlineBytes({digest, bytes}: Extract<FileJob['content'], {kind: 'inline'}>): Uint8Array {
  if (sha256Hex(bytes) === digest) return bytes;
  throw new OtaError('BLOB_CORRUPT', `The resource ${digest}, kept in the file table, has another digest`);
}

function writeFully(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
}
