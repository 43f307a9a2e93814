import {Option} from '@commander-js/extra-typings';

export const cacheDirOption = () =>
  new Option('--cache-dir <folder>', 'the cache (default: hypriotkit in XDG_CACHE_HOME or ~/.cache)');

/** Opens the cache that a command is about, also one whose policy keeps nothing. */
export async function openNamed(cacheDir: string | undefined, {isReadOnly}: {readonly isReadOnly: boolean}) {
  const {openCacheFolder} = await import('../../../api/cache/download-cache.ts');
  return openCacheFolder({folder: cacheDir, isReadOnly});
}
