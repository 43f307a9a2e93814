import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {onTestFinished} from 'vitest';

/** An empty folder, removed when the test that asked for it ends. */
export async function makeTempFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hypriotkit-test-'));
  onTestFinished(() => rm(folder, {recursive: true, force: true}));
  return folder;
}
