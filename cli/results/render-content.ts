import type {CacheEntry} from '../../api/cache/cache-entry.ts';
import type {DownloadCache} from '../../api/cache/download-cache.ts';
import type {ContentResult} from '../../api/content/content-run.ts';
import {formatBytes, formatCount} from '../format.ts';
import {columns} from '../text.ts';
import {renderCache} from './render-cache.ts';

/** A content image, or what one would be, for people. */
export function renderContent(result: ContentResult): string[] {
  const {output, isWritten, imageBytes, items, contents = [], freeBytes = 0} = result;
  if (!isWritten) {
    const rows = items.map(({name, bytes, isGuess}) => [
      `${formatBytes(bytes)}${isGuess ? ' (estimated)' : ''}`,
      name,
    ]);
    return [
      ...columns(rows, [0]),
      `the image would have ${formatBytes(imageBytes)} (${imageBytes} bytes); everything is there`,
    ];
  }
  const rows = contents.map(({to, bytes, files}) => [
    formatBytes(bytes),
    files > 1 ? formatCount(files, 'file') : '',
    to,
  ]);
  return [
    ...columns(rows, [0, 1]),
    `${output}  ${formatBytes(imageBytes)}, ${formatBytes(freeBytes)} free for more`,
  ];
}

/** What `--show-cache` prints. */
export function renderContentCache(
  cache: DownloadCache,
  entries: readonly CacheEntry[],
  width: number | undefined,
): string[] {
  const {folder, policy} = cache;
  return renderCache({
    folder,
    policy,
    entries,
    unfinished: {count: 0, sizeBytes: 0},
    now: new Date(),
    width: width ?? 100,
  });
}
