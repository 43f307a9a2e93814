import {mkdir, readdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {OtaError} from '../../ota-error.ts';
import {keys} from '../model/annotation-keys.ts';
import {ImageIndex} from '../model/image-index.ts';
import {writeDocument} from '../model/json-document.ts';
import {layout, ociLayoutText} from '../model/layout.ts';
import {mediaTypes} from '../model/media-types.ts';
import {textAnnotations, type AnnotationMap} from './annotation-file.ts';
import {builderVersion} from './builder-version.ts';

/** The annotations that `init` takes; the others say nothing of a whole image. */
const initKeys = [
  keys.platform,
  keys.sourceRepo,
  keys.projectVersion,
  keys.releaseCommit,
  keys.releaseBranch,
  keys.webAutoProject,
  keys.webAutoProjectId,
  keys.webAutoCatalog,
  keys.webAutoCatalogId,
  keys.webAutoEnv,
];

/**
 * Makes an empty image in a folder that is absent or empty.
 * @throws {OtaError} OUTPUT_EXISTS, INPUT_INVALID
 */
export async function initImage(image: string, annotations: AnnotationMap): Promise<void> {
  const index = writeDocument(ImageIndex, {
    manifests: [],
    annotations: {
      [keys.builderVersion]: builderVersion,
      [keys.blobsCount]: 0,
      [keys.blobsSize]: 0,
      ...textAnnotations(annotations, initKeys, 'The annotations'),
    },
    schemaVersion: 2,
    mediaType: mediaTypes.imageIndex,
  });
  const there = await readdir(image).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new OtaError('OUTPUT_EXISTS', `${image} is not a folder, abort!`, {cause: error});
  });
  if (there && there.length > 0) throw new OtaError('OUTPUT_EXISTS', `${image} is not empty, abort!`);
  // Without index.json it is not an image, so that comes last.
  await mkdir(join(image, layout.blobs), {recursive: true});
  await writeFile(join(image, layout.ociLayout), ociLayoutText);
  await writeFile(join(image, layout.index), index);
}
