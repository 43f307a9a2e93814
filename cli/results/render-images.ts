import type {CheckedImages} from '../../api/bundle/images.ts';
import {columns} from '../text.ts';

/** An archive of images compared with its bundle, for people. */
export function renderCheckedImages({file, images, missing, extra}: CheckedImages): string[] {
  return [
    ...columns(
      images.map(({id, names, platform}) => [id.slice(7, 19), platform, names.join(', ') || '(no name)']),
    ),
    ...missing.map((name) => `missing: ${name}`),
    ...extra.map((name) => `not needed: ${name}`),
    missing.length + extra.length === 0
      ? `${file} has all images and nothing else`
      : `${file} does not fit the bundle; make it again with --force`,
  ];
}
