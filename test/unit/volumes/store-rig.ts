import {createHash} from 'node:crypto';
import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {ArtifactStore, type WorkFolder} from '../../../volumes/artifact-store.ts';
import type {StoreEntry} from '../../../volumes/store-entry.ts';
import {LocalVolumeHost} from './local-volume-host.ts';

export const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex');

/** Files of a step, by name. */
export type Content = Readonly<Record<string, string | Buffer>>;

/** A store in a folder, and what a test does to it as a step would. */
export class StoreRig {
  readonly folder: string;
  readonly store: ArtifactStore;

  constructor(folder: string, tools?: string) {
    this.folder = folder;
    this.store = new ArtifactStore(new LocalVolumeHost(folder, tools));
  }

  /** Another process on the same volume. */
  other(): ArtifactStore {
    return new ArtifactStore(new LocalVolumeHost(this.folder));
  }

  path(...parts: string[]): string {
    return join(this.folder, '.hypriotkit', ...parts);
  }

  /** A work folder with what a step left there. */
  async work(id: string, content: Content): Promise<WorkFolder> {
    const work = await this.store.openWork(id);
    await mkdir(join(this.folder, work.path), {recursive: true});
    for (const [name, text] of Object.entries(content))
      await writeFile(join(this.folder, work.path, name), text);
    return work;
  }

  async publish(fingerprint: string, content: Content, given: Partial<StoreEntry> = {}): Promise<StoreEntry> {
    const work = await this.work(`run1.${fingerprint.slice(0, 16)}`, content);
    const files = await this.store.measureWork(work, Object.keys(content));
    const {step = 'root_fs', inputs = {}, durationMs = 1} = given;
    return this.store.publish(work, files, {step, fingerprint, inputs, durationMs});
  }
}

/** The fingerprint made of one digit. */
export const print = (digit: string) => digit.repeat(64);
