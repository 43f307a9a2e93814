import {createHash} from 'node:crypto';
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {label} from '../docker/labels.ts';
import type {LocalImage} from '../docker/images.ts';
import type {GitCache, GitFolder} from '../git/git-cache.ts';
import type {BaseImage} from './base-image.ts';
import type {EngineSession} from './session.ts';

export interface RepositoryImageRequest {
  /** The component that it is for. */
  readonly name: string;
  /** Folder with the Dockerfile. */
  readonly folder: GitFolder;
  /** The name that the user wants it to have, too. */
  readonly imageName: string;
  /** What its Dockerfile may start from. */
  readonly base: BaseImage;
  /** What else decides what its Dockerfile starts from. */
  readonly from?: string | undefined;
  readonly git: GitCache;
  readonly onProgress: (message: string) => void;
  readonly onLine: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes sure that the engine has the build image of a git repository. Its Dockerfile may need the network: what it
 * installs is not pinned by anything but itself.
 *
 * @throws PipelineError `SOURCE_UNAVAILABLE`
 * @throws ImageOperationError when its Dockerfile fails.
 */
export async function ensureRepositoryImage(
  session: EngineSession,
  request: RepositoryImageRequest,
): Promise<{readonly reference: string; readonly image: LocalImage}> {
  const {name, folder, imageName, base, from = '', git, onProgress, onLine, signal} = request;
  const digest = createHash('sha256')
    .update(`git ${folder.commit} ${folder.folder} ${base.identity} ${from}`)
    .digest('hex');
  const reference = `hypriotkit/${name}:${digest.slice(0, 16)}`;
  if ((await session.images.find(reference)) === undefined) {
    const scratch = await mkdtemp(join(tmpdir(), 'hypriotkit-source-'));
    try {
      const context = join(scratch, 'context.tar');
      await git.archive(folder, context, {onProgress, signal});
      onProgress('building its build image');
      await session.images.build({
        context: await readFile(context),
        tag: reference,
        buildArguments: {BASE_IMAGE: base.reference},
        labels: {[label.image]: name},
        ...(git.isOffline && {network: 'none' as const}),
        onLine,
        signal,
      });
    } finally {
      await rm(scratch, {recursive: true, force: true});
    }
  }
  if (imageName !== '') await session.images.tag(reference, imageName);
  const image = await session.images.find(reference);
  if (image === undefined) throw new Error(`${reference} has been removed at this moment`);
  return {reference, image};
}
