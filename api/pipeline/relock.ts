import {isComponentName} from '../../configs/schema.ts';
import type {BuildOptions, Relocked} from '../options.ts';
import {executeSteps} from './execute-steps.ts';
import {loadProject} from './load-project.ts';
import {makeRunContext} from './make-run-context.ts';
import {prepareBaseImage} from './prepare-base-image.ts';
import {replaceLock} from './run-lock.ts';
import {selectSteps} from './select-steps.ts';
import {withRun} from './with-run.ts';

/**
 * Asks the mirror anew for everything that the configuration or the present lock has, and writes the lock.
 *
 * @returns undefined when there is no place for a lock.
 */
export async function relock(options: BuildOptions): Promise<Relocked | undefined> {
  const resolved = await loadProject(options, true);
  const {lock, lockFile} = resolved;
  if (lockFile === undefined) return undefined;
  const present = Object.keys(lock?.components ?? {}).filter(isComponentName);
  const {requested, steps} = selectSteps(resolved, [...resolved.requested, ...present]);
  const selection = {requested, steps: steps.filter((step) => step.resolves)};
  const locked = {lists: new Map<string, string>(), previous: new Map<string, string>(), differences: []};
  return withRun(options, {resolved, selection, lockFile, lock, locked}, async (run) => {
    const baseImage = await prepareBaseImage(run, undefined);
    const context = makeRunContext(run, baseImage, baseImage.archiveDate);
    const entries = await executeSteps(run, {...context, resolveAfter: new Date().toISOString()});
    return replaceLock(run, lockFile, entries, baseImage);
  });
}
