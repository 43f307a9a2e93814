import {createHash} from 'node:crypto';
import {basename, join} from 'node:path';
import {packageRoot} from '../../configs/package-root.ts';
import {packBuildContext, type BuildContext} from '../docker/build-context.ts';
import {label} from '../docker/labels.ts';
import type {BaseImage} from './base-image.ts';
import type {EngineSession} from './session.ts';

/** Where the build images lie that come with hypriotkit: one folder each. */
export function builtinBuildImages(): string {
  return join(packageRoot(), 'build-images');
}

const contexts = new Map<string, Promise<BuildContext>>();

/** The build context in a folder; read once in a process. */
export function buildImageContext(folder: string): Promise<BuildContext> {
  const known = contexts.get(folder) ?? packBuildContext(folder);
  contexts.set(folder, known);
  return known;
}

/** Digest over everything that a build image is made from. */
export async function buildImageSource(folder: string, base: BaseImage): Promise<string> {
  const {digest} = await buildImageContext(folder);
  return createHash('sha256').update(`${digest} ${base.identity}`).digest('hex');
}

export interface BuildImageRequest {
  /** Folder with the Dockerfile; its name becomes the image's. */
  readonly folder: string;
  /** The name that the user wants it to have, too. */
  readonly imageName?: string;
  readonly base: BaseImage;
  /** Its build gets no network. */
  readonly offline?: boolean;
  readonly onLine: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes sure that the engine has a build image. Its tag says everything that it is made from, so a tag that exists
 * never has to be built again.
 *
 * @returns the reference to run.
 * @throws ImageOperationError when its Dockerfile fails.
 */
export async function ensureBuildImage(session: EngineSession, request: BuildImageRequest): Promise<string> {
  const {folder, imageName, base, onLine, signal} = request;
  const context = await buildImageContext(folder);
  const name = basename(folder);
  const source = await buildImageSource(folder, base);
  const tag = `hypriotkit/${name}:${source.slice(0, 16)}`;
  if ((await session.images.find(tag)) === undefined) {
    await session.images.build({
      context: context.tar,
      tag,
      buildArguments: {BASE_IMAGE: base.reference},
      labels: {[label.image]: name, [label.source]: source},
      ...(request.offline && {network: 'none'}),
      onLine,
      signal,
    });
  }
  if (imageName !== undefined) await session.images.tag(tag, imageName);
  return tag;
}
