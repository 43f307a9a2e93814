import type {BuildOptions} from '../options.ts';
import type {Project} from './load-project.ts';
import {lockedLists} from './lock.ts';
import {lockedSources} from './lock-content.ts';
import type {RunRequest} from './run.ts';
import {selectSteps} from './select-steps.ts';

/** What is to be built of a project, or of one variant of it. */
export interface ProjectRequest extends RunRequest {
  readonly variant: string | undefined;
}

/** What is built of a configuration, and what its lock says of that. */
export function requestOf(project: Project, {components}: Pick<BuildOptions, 'components'>): ProjectRequest {
  const {lock, lockFile, pinDifferences, variant} = project;
  const selection = selectSteps(project, components);
  const lists = lockedLists(lock, selection.steps);
  const locked = {
    ...lists,
    lists: new Map([...lists.lists, ...lockedSources(lock, selection.steps)]),
    differences: [...pinDifferences, ...lists.differences],
  };
  return {resolved: project, selection, lockFile, lock, locked, variant};
}
