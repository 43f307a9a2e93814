import {layout} from '../../model/layout.ts';
import {isLayout} from '../folder-source.ts';
import type {ImageSource} from '../image-source.ts';
import {ZipSource} from '../zip-source.ts';
import {RangedFile} from './ranged-file.ts';
import {WebClient, withoutSecrets} from './web-client.ts';
import {WebFolderSource} from './web-folder-source.ts';

/** More than an oci-layout may have. */
const maxLayoutSize = 1024;

/**
 * Opens an image on a web server: a folder if there is an oci-layout below the address, else a ZIP artifact of which
 * only the parts that are needed are fetched.
 * @throws {OtaError} NOT_AN_IMAGE, HTTP_FAILED, ZIP_INVALID
 */
export async function openWebSource(url: string): Promise<ImageSource> {
  const client = new WebClient();
  try {
    const location = withoutSecrets(url);
    if (!/\.zip$/i.test(location)) {
      const base = location.endsWith('/') ? url : `${url}/`;
      const folder = new WebFolderSource(client, location, base);
      if (await hasLayout(folder)) return folder;
    }
    return await ZipSource.openRemote(location, await RangedFile.open(client, url), client);
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw error;
  }
}

async function hasLayout(folder: WebFolderSource): Promise<boolean> {
  const pieces = await folder.read(layout.ociLayout, maxLayoutSize);
  if (!pieces) return false;
  const collected: Uint8Array[] = [];
  for await (const piece of pieces) collected.push(piece);
  return isLayout(Buffer.concat(collected).toString('utf8'));
}
