import {spawn} from 'node:child_process';
import {mkdtemp, readFile, readdir, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {label} from '../docker/labels.ts';
import {splitReference} from '../docker/images.ts';
import {PipelineError} from '../errors.ts';
import {isProcessAlive} from '../process-alive.ts';
import type {EngineSession} from './session.ts';

export interface Bootstrap {
  readonly suite: string;
  /** Empty: mmdebstrap knows Debian's own mirror. */
  readonly mirror: string;
  /** Name of the image to make. */
  readonly tag: string;
  readonly signal?: AbortSignal | undefined;
  /** Why no registry could be used, for the message when this fails, too. */
  readonly pullError: string;
}

const folderPrefix = 'hypriotkit-bootstrap-';

/**
 * Makes a Debian image without any registry: mmdebstrap on this machine, its tar straight into the engine.
 *
 * @throws PipelineError `IMAGE_UNAVAILABLE`.
 */
export async function bootstrapDebian(session: EngineSession, bootstrap: Bootstrap): Promise<void> {
  await removeStaleFolders();
  // mmdebstrap's own temporary folders go below one of ours, whose name says who may remove it.
  const folder = await mkdtemp(join(tmpdir(), `${folderPrefix}${process.pid}-`));
  try {
    await importFromMmdebstrap(session, bootstrap, folder);
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}

async function importFromMmdebstrap(
  session: EngineSession,
  bootstrap: Bootstrap,
  folder: string,
): Promise<void> {
  const {suite, mirror, tag, signal, pullError} = bootstrap;
  const child = spawn(
    'mmdebstrap',
    [
      '--variant=minbase',
      '--format=tar',
      `--architectures=${session.engine.architecture}`,
      '--aptopt=Acquire::Retries "3"',
      suite,
      '-',
      ...(mirror === '' ? [] : [mirror]),
    ],
    {stdio: ['ignore', 'pipe', 'pipe'], env: {...process.env, TMPDIR: folder}, ...(signal && {signal})},
  );
  const messages: string[] = [];
  child.stderr
    .setEncoding('utf8')
    .on('data', (text: string) => messages.push(...text.split('\n').filter(Boolean)));
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', reject).once('close', (code) => resolve(code ?? -1));
  });
  const {repository} = splitReference(tag);
  // The import ends when mmdebstrap's output does, also when mmdebstrap fails: its exit status decides.
  const unfinished = `unfinished-${session.runId}`;
  const imported = session.images
    .importTar(child.stdout, repository, unfinished, [`LABEL ${label.image}=debian`])
    .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
  try {
    const status = await exited.catch((error: unknown) => {
      throw notBootstrapped(pullError, error as NodeJS.ErrnoException);
    });
    const importError = await imported;
    if (status !== 0) throw notBootstrapped(pullError, undefined, messages);
    if (importError !== undefined) throw importError;
    await session.images.tag(`${repository}:${unfinished}`, tag);
  } finally {
    await imported;
    await session.images.remove(`${repository}:${unfinished}`);
  }
}

function notBootstrapped(
  pullError: string,
  error: NodeJS.ErrnoException | undefined,
  messages: readonly string[] = [],
): PipelineError {
  if (error?.code === 'ENOENT') {
    return new PipelineError(
      'IMAGE_UNAVAILABLE',
      `no registry delivers the Debian image (${pullError}), and mmdebstrap is not installed to make one here`,
      {
        hint: 'Install it: apt-get install mmdebstrap, or let hypriotkit do it: ./hypriotkit --setup build …',
        cause: error,
      },
    );
  }
  if (error !== undefined) throw error;
  const said =
    messages.filter((line) => line.startsWith('E: ') || line.includes('Err:')).at(0) ?? messages.at(-1);
  return new PipelineError(
    'IMAGE_UNAVAILABLE',
    `Debian cannot be bootstrapped: ${said ?? 'mmdebstrap said nothing'}`,
    {
      hint: `A mirror of Debian must be reachable (base_image.mirror sets another). The registry said: ${pullError}`,
    },
  );
}

/** Folders of processes that are gone. One that still has something mounted below it is left alone. */
async function removeStaleFolders(): Promise<void> {
  const mounts = await readFile('/proc/self/mounts', 'utf8').catch(() => '');
  for (const name of await readdir(tmpdir())) {
    const pid = Number(/^hypriotkit-bootstrap-(\d+)-/.exec(name)?.[1]);
    const folder = join(tmpdir(), name);
    if (!pid || isProcessAlive(pid) || mounts.includes(folder)) continue;
    await rm(folder, {recursive: true, force: true}).catch(() => undefined);
  }
}
