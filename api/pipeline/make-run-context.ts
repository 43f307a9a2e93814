import {PackageCache} from '../../volumes/package-cache.ts';
import type {BaseImage} from '../engine/base-image.ts';
import {builtinBuildImages} from '../engine/build-image.ts';
import {parseComponentNames} from '../components/components.ts';
import {GitCache} from '../git/git-cache.ts';
import {Pool} from '../pool.ts';
import type {RunContext} from './run-context.ts';
import type {Run} from './run.ts';

/** What the steps of a run work with, once the base image is known. */
export function makeRunContext(
  {session, store, cache, runner, options, locked, emit, signal}: Run,
  baseImage: BaseImage,
  epoch: number,
): RunContext {
  return {
    session,
    store,
    runner,
    cache,
    packages: new PackageCache(session.packageHost),
    downloads: new Pool(1),
    git: new GitCache({offline: options.offline ?? false}),
    privileged: new Set(parseComponentNames(options.allowPrivileged ?? [])),
    baseImage,
    buildImages: builtinBuildImages(),
    epoch,
    lists: locked.lists,
    previousLists: locked.previous,
    offline: options.offline ?? false,
    mayRegisterBinfmt: options.registerBinfmt ?? true,
    emit,
    signal,
  };
}
