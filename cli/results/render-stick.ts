import type {Stick} from '../../api/medium/make-stick.ts';
import {formatBytes, formatCount} from '../format.ts';
import {cleanLine, columns, truncate} from '../text.ts';

const readers = {
  'cache source': 'otaproxy',
  'update bundle': 'update agent',
  'container images': 'update agent',
} as const;

/** What is on a stick, for the technician who gets it: a table of at most `width` columns. */
export function renderStick({target, fileSystem, label, sizeBytes, entries}: Stick, width = 80): string[] {
  const rows = entries.map(({path, sizeBytes: bytes, files, purpose, what}) => [
    cleanLine(path),
    formatBytes(bytes),
    readers[purpose],
    path.endsWith('/') ? `${formatCount(files, 'file')} of ${what}` : cleanLine(what),
  ]);
  const table = columns([['on it', 'size', 'for', 'what'], ...rows], [1]);
  return [
    `${target}: ${fileSystem}, label ${label}, ${formatBytes(sizeBytes)}, read back and right`,
    '',
    ...table.map((line) => truncate(line, width)),
  ];
}
