import {createHash} from 'node:crypto';
import {join} from 'node:path';
import {packageRoot} from '../../configs/package-root.ts';
import {packBuildContext, type BuildContext} from '../docker/build-context.ts';
import {label} from '../docker/labels.ts';
import type {BaseImage} from './base-image.ts';
import type {EngineSession} from './session.ts';

/** Folder of a built-in build image. */
export function buildImageFolder(name: string): string {
  return join(packageRoot(), 'build-images', name);
}

const contexts = new Map<string, Promise<BuildContext>>();

/** The build context of a built-in build image; read once. */
export function buildImageContext(name: string): Promise<BuildContext> {
  const known = contexts.get(name) ?? packBuildContext(buildImageFolder(name));
  contexts.set(name, known);
  return known;
}

/** The tag says everything that the image is made from, so a tag that exists never has to be built again. */
async function buildImageTag(name: string, base: BaseImage): Promise<string> {
  const context = await buildImageContext(name);
  const digest = createHash('sha256').update(`${context.digest} ${base.identity}`).digest('hex');
  return `hypriotkit/${name}:${digest.slice(0, 16)}`;
}

/**
 * Makes sure that the engine has a build image and gives it the user's name, too.
 *
 * @returns the reference to run.
 * @throws ImageOperationError when its Dockerfile fails.
 */
export async function ensureBuildImage(
  session: EngineSession,
  name: string,
  imageName: string | undefined,
  base: BaseImage,
  onLine: (line: string) => void,
  signal?: AbortSignal,
): Promise<string> {
  const tag = await buildImageTag(name, base);
  if ((await session.images.find(tag)) === undefined) {
    const context = await buildImageContext(name);
    await session.images.build({
      context: context.tar,
      tag,
      buildArguments: {BASE_IMAGE: base.reference},
      labels: {[label.image]: name},
      onLine,
      signal,
    });
  }
  if (imageName !== undefined) await session.images.tag(tag, imageName);
  return tag;
}
