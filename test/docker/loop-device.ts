import {execFile} from 'node:child_process';
import {mkdtemp, rm, truncate, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {onTestFinished} from 'vitest';

const exec = promisify(execFile);
const env = {...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C'};

/** Runs a program of the system; these tests need root, as writing to a card does. */
export async function system(program: string, ...args: string[]): Promise<string> {
  return (await exec(program, args, {env})).stdout.trim();
}

/** A block device made of a file; gone when the test ends. */
export interface LoopDevice {
  readonly folder: string;
  readonly path: string;
  /** The file behind it. */
  readonly file: string;
  /** Takes the medium away, as pulling a card out of its reader does: the device stays, without any room. */
  readonly pull: () => Promise<void>;
}

export async function makeLoopDevice(sizeBytes: number): Promise<LoopDevice> {
  const folder = await mkdtemp(join(tmpdir(), 'hypriotkit-loop-'));
  const file = join(folder, 'card');
  await writeFile(file, '');
  await truncate(file, sizeBytes);
  const path = await system('losetup', '--find', '--show', file);
  onTestFinished(async () => {
    await system('losetup', '--detach', path);
    await rm(folder, {recursive: true, force: true});
  });
  return {
    folder,
    path,
    file,
    pull: async () => {
      await truncate(file, 0);
      await system('losetup', '--set-capacity', path);
    },
  };
}
