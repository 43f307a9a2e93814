import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {WorkFolder} from '../../volumes/artifact-store.ts';
import {sourceArchive, type PinnedFolder} from '../components/step.ts';
import type {RunContext} from './run-context.ts';
import {sendOutputs} from './send-outputs.ts';
import type {StepLog} from './step-log.ts';

/**
 * Fetches a folder of a git repository and puts it into a work folder as `source.tar`. The client does it and no
 * container, because the client has the user's keys, proxies and credential helpers.
 *
 * @throws PipelineError `SOURCE_UNAVAILABLE`
 */
export async function checkOut(
  folder: PinnedFolder,
  work: WorkFolder,
  {git, session, signal}: Pick<RunContext, 'git' | 'session' | 'signal'>,
  log: StepLog,
): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'hypriotkit-source-'));
  try {
    const file = join(scratch, sourceArchive);
    await git.archive(folder, file, {onProgress: log.progress, signal});
    log.progress('sending it to the engine');
    await sendOutputs(scratch, [sourceArchive], work, {session, signal});
  } finally {
    await rm(scratch, {recursive: true, force: true});
  }
}
