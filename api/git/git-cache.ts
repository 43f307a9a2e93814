import {createHash} from 'node:crypto';
import {mkdir, utimes} from 'node:fs/promises';
import {join} from 'node:path';
import {lock} from 'proper-lockfile';
import {GitError, simpleGit, type SimpleGit} from 'simple-git';
import {isCommitId} from '../../configs/git-reference.ts';
import {defaultCacheFolder, openCache} from '../cache/download-cache.ts';
import {PipelineError} from '../errors.ts';
import {gitEnvironment, gitVariables} from './git-environment.ts';
import {gitError, withoutPassword} from './git-error.ts';

/** A folder of a commit: always the same files. */
export interface GitFolder {
  readonly repository: string;
  /** The name that it was found by; asked for where a server hands out no commits by id. */
  readonly ref: string;
  readonly commit: string;
  /** Empty for all of it. */
  readonly folder: string;
}

export interface FetchOptions {
  /** Called with what is going on, for people. */
  readonly onProgress?: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Objects to ask for at once. Each batch is kept, so a broken connection costs at most one. */
const batchSize = 2000;

/** A server that says nothing for so long is not working. */
const silenceMs = 120_000;

/**
 * Fetches single commits and keeps them: a bare repository for each address, in the user's cache folder. It may be
 * deleted at any time.
 *
 * Only the commit is fetched, never its history. Its files come in batches where the server can filter, so that a
 * fetch that was cut off goes on where it stopped; git alone would start over.
 */
export class GitCache {
  readonly #folder: string;
  /** No repository is asked for anything: what is not here is an error. */
  readonly isOffline: boolean;

  constructor({folder = defaultFolder(), offline = false}: {folder?: string; offline?: boolean} = {}) {
    this.#folder = folder;
    this.isOffline = offline;
  }

  /**
   * Asks a repository which commit a branch or tag is now. Branches win over tags, as for `git clone --branch`.
   *
   * @throws PipelineError `SOURCE_UNAVAILABLE` when there is no such name (the error lists those there are), or no answer.
   */
  async resolve(repository: string, ref: string, signal?: AbortSignal): Promise<string> {
    if (isCommitId(ref)) return ref;
    const git = this.#git(undefined, signal);
    const answer = await git.raw('ls-remote', '--', repository).catch((error: unknown) => {
      throw signal?.aborted ? error : gitError(repository, 'asking', error);
    });
    const names = new Map(
      answer
        .split('\n')
        .map((line) => line.split('\t'))
        .filter((parts): parts is [string, string] => parts.length === 2)
        .map(([commit, name]) => [name, commit]),
    );
    // `^{}` is the commit that an annotated tag points to.
    const found = [ref, `refs/heads/${ref}`, `refs/tags/${ref}^{}`, `refs/tags/${ref}`, `refs/${ref}`]
      .map((name) => names.get(name))
      .find((commit) => commit !== undefined);
    if (found !== undefined) return found;
    const branches = [...names.keys()].filter((name) => name.startsWith('refs/heads/'));
    throw new PipelineError(
      'SOURCE_UNAVAILABLE',
      `${withoutPassword(repository)} has no branch or tag "${ref}"`,
      {
        hint:
          branches.length === 0
            ? 'It is empty.'
            : `It has ${listSome(branches.map((name) => name.slice(11)))}.`,
      },
    );
  }

  /**
   * Brings a commit and the files of the folder into the cache. Runs that want the same repository wait for each other.
   *
   * @returns path of the bare repository that has it.
   * @throws PipelineError `SOURCE_UNAVAILABLE`
   */
  async fetch(source: GitFolder, options: FetchOptions = {}): Promise<string> {
    const folder = join(
      this.#folder,
      createHash('sha256').update(source.repository).digest('hex').slice(0, 32),
    );
    await mkdir(this.#folder, {recursive: true});
    const release = await lock(folder, {
      realpath: false,
      stale: 30_000,
      retries: {retries: 600, minTimeout: 1000, maxTimeout: 1000},
    });
    try {
      // Not before the lock: whoever had it may have removed the repository.
      await mkdir(folder, {recursive: true});
      const git = this.#git(folder, options.signal, options.onProgress);
      await git.raw('init', '--quiet', '--bare');
      // When it was last used: what the policy of the cache goes by.
      await utimes(folder, new Date(), new Date());
      if (await isComplete(git, source)) return folder;
      if (this.isOffline) throw missingOffline(source);
      options.onProgress?.(`fetching ${withoutPassword(source.repository)}`);
      await fetchTree(git, source);
      await checkFolder(git, source);
      await fetchFiles(git, source, options);
      // The mark of completeness: only now is nothing missing.
      await git.raw('update-ref', completeRef(source), source.commit);
      await this.#applyPolicy(options);
      return folder;
    } catch (error) {
      throw options.signal?.aborted || !(error instanceof GitError)
        ? error
        : gitError(source.repository, 'fetching', error);
    } finally {
      await release();
    }
  }

  /**
   * Writes the files of a folder as a tar, without the folder's name: sorted, owned by root, dated with the commit.
   *
   * @throws PipelineError `SOURCE_UNAVAILABLE` when the commit has no such folder.
   */
  async archive(source: GitFolder, file: string, options: FetchOptions = {}): Promise<void> {
    const git = this.#git(await this.fetch(source, options), options.signal);
    // A tree has no date, and git archive would take the present: a commit of the folder alone has that of the whole.
    const epoch = (await git.raw('show', '--no-patch', '--format=%ct', source.commit)).trim();
    const dates = {GIT_AUTHOR_DATE: `@${epoch} +0000`, GIT_COMMITTER_DATE: `@${epoch} +0000`};
    const commit =
      source.folder === ''
        ? source.commit
        : await git.env(gitEnvironment(dates)).raw('commit-tree', '-m', source.folder, treeOf(source));
    await git.raw('archive', '--format=tar', `--output=${file}`, commit.trim());
  }

  /** The repositories count in the cache of downloads that their folder lies in. What is in use stays. */
  async #applyPolicy({onProgress}: FetchOptions): Promise<void> {
    if (this.#folder !== defaultFolder()) return;
    try {
      await (await openCache())?.prune();
    } catch (error) {
      // Nothing that a build should fail for; `cache prune` says it, too.
      onProgress?.(`the cache keeps everything: ${(error as Error).message}`);
    }
  }

  /** @param folder A bare repository; without one, for commands that need none. */
  #git(folder: string | undefined, signal?: AbortSignal, onProgress?: (message: string) => void): SimpleGit {
    return simpleGit({
      allowEnvironment: gitVariables,
      unsafe: {allowUnsafeSshCommand: true, allowUnsafeAskPass: true, allowUnsafeGitProxy: true},
      ...(folder !== undefined && {baseDir: folder}),
      ...(signal !== undefined && {abort: signal}),
      timeout: {block: silenceMs},
      config: [
        'tar.umask=0022',
        'core.autocrlf=false',
        'gc.auto=0',
        'user.name=hypriotkit',
        'user.email=',
        // Objects are taken as they are asked for; what this cache has is no common history.
        'fetch.negotiationAlgorithm=noop',
      ],
      ...(onProgress && {
        progress: ({stage, progress}: {stage: string; progress: number}) =>
          onProgress(`fetching: ${stage} ${progress}%`),
      }),
    }).env(gitEnvironment());
  }
}

function defaultFolder(): string {
  return join(defaultCacheFolder(), 'git');
}

function missingOffline({repository, commit}: GitFolder): PipelineError {
  return new PipelineError(
    'SOURCE_UNAVAILABLE',
    `the build is offline, and commit ${commit.slice(0, 12)} of ${withoutPassword(repository)} has not been fetched here before`,
    {hint: 'Build once with a network and the same lock: that fetches and keeps it.'},
  );
}

function completeRef({commit, folder}: GitFolder): string {
  return `refs/hypriotkit/${commit}-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`;
}

async function isComplete(git: SimpleGit, source: GitFolder): Promise<boolean> {
  return (await git.raw('for-each-ref', completeRef(source))).trim() !== '';
}

/** What git calls the folder. */
function treeOf({commit, folder}: GitFolder): string {
  return folder === '' ? commit : `${commit}:${folder}`;
}

/** @throws PipelineError `SOURCE_UNAVAILABLE` when the commit has no such folder. */
async function checkFolder(git: SimpleGit, source: GitFolder): Promise<void> {
  const kind = await git.raw('cat-file', '-t', treeOf(source)).catch(() => 'nothing');
  if (['tree', 'commit'].includes(kind.trim())) return;
  const {repository, ref, commit, folder} = source;
  throw new PipelineError(
    'SOURCE_UNAVAILABLE',
    `${withoutPassword(repository)} has no folder "${folder}" at ${ref} (${commit.slice(0, 12)})`,
  );
}

/** Gets the commit and its folders, and its files too where the server cannot leave them out. */
async function fetchTree(git: SimpleGit, {repository, ref, commit}: GitFolder): Promise<void> {
  await git.raw('config', 'remote.origin.url', repository);
  await git.raw('config', 'remote.origin.promisor', 'true');
  await git.raw('config', 'remote.origin.partialclonefilter', 'blob:none');
  const options = [
    '--quiet',
    '--depth=1',
    '--no-tags',
    '--filter=blob:none',
    '--no-recurse-submodules',
    'origin',
  ];
  await git.raw('fetch', ...options, commit).catch(async (error: unknown) => {
    if (ref === commit || !/not our ref|unadvertised object|not advertised/i.test(String(error))) throw error;
    await git.raw('fetch', ...options, ref);
    const found = (await git.raw('rev-parse', 'FETCH_HEAD^{commit}')).trim();
    if (found !== commit) {
      throw new PipelineError(
        'SOURCE_UNAVAILABLE',
        `${withoutPassword(repository)} no longer hands out commit ${commit.slice(0, 12)}: "${ref}" is ${found.slice(0, 12)} by now`,
        {hint: 'Run `hypriotkit upgrade` to lock the new commit.'},
      );
    }
  });
}

/** Gets the files that are still missing, a batch at a time. */
async function fetchFiles(
  git: SimpleGit,
  source: GitFolder,
  {onProgress, signal}: FetchOptions,
): Promise<void> {
  const missing = (await git.raw('rev-list', '--objects', '--missing=print', treeOf(source)))
    .split('\n')
    .filter((line) => line.startsWith('?'))
    .map((line) => line.slice(1));
  for (let start = 0; start < missing.length; start += batchSize) {
    signal?.throwIfAborted();
    onProgress?.(`fetching: ${Math.floor((start / missing.length) * 100)}% of ${missing.length} files`);
    const batch = missing.slice(start, start + batchSize);
    await git.raw(
      'fetch',
      '--quiet',
      '--no-tags',
      '--no-write-fetch-head',
      '--no-recurse-submodules',
      '--filter=blob:none',
      'origin',
      ...batch,
    );
  }
}

function listSome(names: readonly string[]): string {
  const shown = names.slice(0, 12).join(', ');
  return names.length > 12 ? `${shown} and ${names.length - 12} more` : shown;
}
