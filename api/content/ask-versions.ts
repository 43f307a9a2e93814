import type {DownloadCache} from '../cache/download-cache.ts';
import {askVersion} from '../download/ask-version.ts';
import {FetchError} from '../download/fetch-file.ts';
import {PipelineError} from '../errors.ts';
import type {ImageSource} from '../registry/image-source.ts';
import {RegistryClient} from '../registry/registry-client.ts';
import type {ContentSource} from './content-sources.ts';
import {inParallel} from './in-parallel.ts';

export interface AskOptions {
  readonly cache?: DownloadCache | undefined;
  readonly signal: AbortSignal;
}

/** What servers say of sources. */
export interface Asked {
  /** Those that are there. */
  readonly versions: readonly {readonly name: string; readonly version: string}[];
  readonly problems: readonly {
    readonly name: string;
    readonly message: string;
    /** The server says that there is nothing; else it may be that nobody could ask. */
    readonly isRefused: boolean;
  }[];
}

const concurrency = 8;

/** Asks servers which version of each source they have. Where one says nothing about that, it is a new one each time. */
export async function askVersions(sources: readonly ContentSource[], options: AskOptions): Promise<Asked> {
  await using registry = new RegistryClient({signal: options.signal});
  const versions: Asked['versions'][number][] = [];
  const problems: Asked['problems'][number][] = [];
  await inParallel(sources, concurrency, async (source) => {
    const {name} = source;
    try {
      versions.push({name, version: await askOne(source, registry, options)});
    } catch (error) {
      options.signal.throwIfAborted();
      if (error instanceof FetchError)
        problems.push({name, message: error.message, isRefused: error.isRefused});
      else if (error instanceof PipelineError)
        problems.push({name, message: `the image ${name}: ${error.message}`, isRefused: false});
      else throw error;
    }
  });
  return {versions, problems};
}

async function askOne(source: ContentSource, registry: ImageSource, options: AskOptions): Promise<string> {
  if (source.kind === 'image') {
    const {reference, platform} = source.image;
    return (await registry.resolve(reference, platform)).digest;
  }
  return (await askVersion(source.request, options)) ?? `unknown at ${new Date().toISOString()}`;
}
