import {stat} from 'node:fs/promises';
import {OtaError} from '../../ota-error.ts';
import {FolderSource} from './folder-source.ts';
import type {ImageSource} from './image-source.ts';
import {ZipSource} from './zip-source.ts';

/**
 * Opens the image in a folder, in a ZIP artifact, or at an http(s) address of either.
 * @throws {OtaError} NOT_AN_IMAGE, ZIP_INVALID, HTTP_FAILED
 */
export async function openSource(location: string): Promise<ImageSource> {
  if (/^https?:\/\//i.test(location)) {
    const {openWebSource} = await import('./web/open-web-source.ts');
    return openWebSource(location);
  }
  const stats = await stat(location).catch(() => undefined);
  if (stats?.isDirectory()) return FolderSource.open(location);
  if (stats?.isFile()) return ZipSource.openFile(location);
  throw new OtaError(
    'NOT_AN_IMAGE',
    `${location} ${stats ? 'is neither a folder nor a file' : 'does not exist'}`,
    {
      hint: 'an image is a folder, a .zip, or an http(s) address of either',
    },
  );
}
