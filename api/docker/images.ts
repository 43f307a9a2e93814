import type Dockerode from 'dockerode';
import {Readable} from 'node:stream';
import {imageContent} from './image-content.ts';
import {LineSplitter} from './log-demuxer.ts';
import type {RegistryLogin} from './swarm.ts';

export interface LocalImage {
  readonly id: string;
  /** Hex digest over what the image is, its layers and configuration: the same in every engine, unlike the id. */
  readonly content: string;
  readonly tags: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly sizeBytes: number;
  readonly architecture: string;
}

/** The end of a build or pull that the engine reported as failed. */
export class ImageOperationError extends Error {
  override readonly name = 'ImageOperationError';
  /** The last lines that it printed. */
  readonly tail: readonly string[];

  constructor(message: string, tail: readonly string[]) {
    super(message);
    this.tail = tail;
  }
}

export interface ImageBuild {
  /** The build context as a tar. */
  readonly context: Buffer;
  readonly tag: string;
  readonly buildArguments?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** Runs every command of the Dockerfile, also those whose layer the engine has: what they download may have changed. */
  readonly fresh?: boolean;
  /** `none`: the commands of the Dockerfile see no network. */
  readonly network?: 'none';
  readonly onLine?: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** One JSON object of the stream with which the engine answers builds, pulls and imports. */
interface ProgressMessage {
  readonly stream?: string;
  readonly status?: string;
  readonly error?: string;
  readonly errorDetail?: {readonly message?: string};
}

/** The images of an engine. */
export class DockerImages {
  readonly #docker: Dockerode;

  constructor(docker: Dockerode) {
    this.#docker = docker;
  }

  async find(reference: string): Promise<LocalImage | undefined> {
    try {
      const found = await this.#docker.getImage(reference).inspect();
      return {
        id: found.Id,
        content: imageContent(found),
        tags: found.RepoTags,
        labels: (found.Config as {Labels?: Record<string, string> | null} | undefined)?.Labels ?? {},
        sizeBytes: found.Size,
        architecture: found.Architecture,
      };
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Images that carry a label, optionally with one value. */
  async list(
    labelFilter: string,
  ): Promise<readonly {id: string; tags: readonly string[]; sizeBytes: number; createdAt: Date}[]> {
    const found = await this.#docker.listImages({filters: {label: [labelFilter]}});
    return found.map((image) => ({
      id: image.Id,
      // Engines before 25 list an image without a tag as one with this tag.
      tags: (image.RepoTags ?? []).filter((tag) => tag !== '<none>:<none>'),
      sizeBytes: image.Size,
      createdAt: new Date(image.Created * 1000),
    }));
  }

  /** @throws ImageOperationError when a step of the Dockerfile fails. */
  async build(build: ImageBuild): Promise<void> {
    const stream = await this.#docker.buildImage(Readable.from([build.context]), {
      t: build.tag,
      rm: true,
      forcerm: true,
      ...(build.buildArguments && {buildargs: {...build.buildArguments}}),
      ...(build.fresh && {nocache: true}),
      ...(build.network && {networkmode: build.network}),
      ...(build.labels && {labels: {...build.labels}}),
      ...(build.signal && {abortSignal: build.signal}),
    });
    await followProgress(stream, build.onLine);
  }

  /** @throws ImageOperationError when the registry refuses or cannot be reached. */
  async pull(
    reference: string,
    options: {onLine?: (line: string) => void; signal?: AbortSignal} = {},
  ): Promise<void> {
    const stream = await this.#docker.pull(reference, {
      ...(options.signal && {abortSignal: options.signal}),
    });
    await followProgress(stream, options.onLine);
  }

  /** @throws ImageOperationError when the registry refuses or cannot be reached. */
  async push(reference: string, login: RegistryLogin | undefined, signal?: AbortSignal): Promise<void> {
    const stream = await this.#docker.getImage(reference).push({
      // Required even where nobody is asked who they are.
      authconfig: login ?? {username: '', password: '', serveraddress: ''},
      ...(signal && {abortSignal: signal}),
    });
    await followProgress(stream, undefined);
  }

  /** Makes an image of one layer from a root file system as tar. */
  async importTar(
    tar: NodeJS.ReadableStream,
    repository: string,
    tag: string,
    changes: readonly string[],
  ): Promise<void> {
    const stream = await this.#docker.importImage(tar, {repo: repository, tag, changes: [...changes]});
    await followProgress(stream, undefined);
  }

  /** The image as `docker save` writes it: named by its id, without any tag. */
  async save(reference: string): Promise<NodeJS.ReadableStream & AsyncIterable<Buffer>> {
    return (await this.#docker.getImage(reference).get()) as NodeJS.ReadableStream & AsyncIterable<Buffer>;
  }

  /**
   * Loads one image from such a tar, which may be packed by gzip.
   *
   * @returns its id.
   * @throws ImageOperationError when the engine refuses it.
   */
  async load(tar: NodeJS.ReadableStream): Promise<string> {
    const said: string[] = [];
    await followProgress(await this.#docker.loadImage(tar), (line) => said.push(line));
    const id = said.map((line) => /^Loaded image(?: ID)?: (\S+)$/.exec(line)?.[1]).find(Boolean);
    if (id === undefined) throw new ImageOperationError('the engine loaded no image', said);
    return id;
  }

  async tag(reference: string, name: string): Promise<void> {
    const {repository, tag} = splitReference(name);
    await this.#docker.getImage(reference).tag({repo: repository, tag});
  }

  /** Removes a tag, and the image with its last one. False when there is none, or a container still uses it. */
  async remove(reference: string): Promise<boolean> {
    try {
      await this.#docker.getImage(reference).remove();
      return true;
    } catch (error) {
      if (isNotFound(error) || isConflict(error)) return false;
      throw error;
    }
  }
}

/** Splits `registry:5000/name:tag`; the tag is `latest` when there is none. */
export function splitReference(reference: string): {repository: string; tag: string} {
  const colon = reference.lastIndexOf(':');
  if (colon === -1 || reference.indexOf('/', colon) !== -1) return {repository: reference, tag: 'latest'};
  return {repository: reference.slice(0, colon), tag: reference.slice(colon + 1)};
}

export function isNotFound(error: unknown): boolean {
  return (error as {statusCode?: number}).statusCode === 404;
}

export function isConflict(error: unknown): boolean {
  return (error as {statusCode?: number}).statusCode === 409;
}

/**
 * Reads the engine's answer to its end. A stream that ends has not succeeded: a failed build ends like any other,
 * and only a last message with `errorDetail` tells.
 */
async function followProgress(
  stream: NodeJS.ReadableStream,
  onLine: ((line: string) => void) | undefined,
): Promise<void> {
  const tail: string[] = [];
  let failure: string | undefined;
  const print = new LineSplitter((line) => {
    if (line.trim() === '') return;
    tail.push(line);
    if (tail.length > 40) tail.shift();
    onLine?.(line);
  });
  const parseLine = (json: string) => {
    if (json.trim() === '') return;
    const message = JSON.parse(json) as ProgressMessage;
    if (message.error !== undefined || message.errorDetail !== undefined) {
      failure = message.errorDetail?.message ?? message.error ?? 'unknown error';
    } else if (message.stream !== undefined) {
      print.write(Buffer.from(message.stream));
    } else if (message.status !== undefined) {
      print.write(Buffer.from(`${message.status}\n`));
    }
  };
  // A message is never cut: half of it is no JSON.
  const parse = new LineSplitter(parseLine, Infinity);
  for await (const chunk of stream) parse.write(chunk as Buffer);
  parse.end();
  print.end();
  if (failure !== undefined) throw new ImageOperationError(failure, tail);
}
