import {createHash} from 'node:crypto';
import {readFile, stat} from 'node:fs/promises';
import {homedir} from 'node:os';
import {join} from 'node:path';
import {PipelineError} from '../errors.ts';

/** Where an engine listens and how to speak to it. */
export interface DockerHost {
  /** As in `DOCKER_HOST`: `unix:///var/run/docker.sock`, `tcp://10.0.0.4:2376`, `ssh://user@host`. */
  readonly address: string;
  /** Which rule found it, for messages: `DOCKER_HOST`, `context "remote"`, … */
  readonly foundBy: string;
  /** Set when the connection is protected by TLS. */
  readonly tls?: {
    readonly ca?: Buffer;
    readonly cert?: Buffer;
    readonly key?: Buffer;
    readonly verify: boolean;
  };
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Finds the engine as the `docker` command does: an explicit address, `DOCKER_HOST` with its TLS variables,
 * `DOCKER_CONTEXT` or the current context, the system's socket, and last the socket of a rootless engine.
 *
 * @throws PipelineError `ENGINE_UNREACHABLE` when nothing is configured and no socket exists.
 */
export async function findDockerHost(
  explicit?: string,
  env: Environment = process.env,
  systemSocket = '/var/run/docker.sock',
): Promise<DockerHost> {
  if (explicit !== undefined) return withEnvironmentTls(explicit, 'the host option', env);
  if (env['DOCKER_HOST']) return withEnvironmentTls(env['DOCKER_HOST'], 'DOCKER_HOST', env);
  const context = await currentContext(env);
  if (context !== undefined) return contextHost(context, env);

  const runtimeDir = env['XDG_RUNTIME_DIR'] || `/run/user/${process.getuid?.() ?? 0}`;
  const candidates = [
    [systemSocket, 'the system socket'],
    [join(runtimeDir, 'docker.sock'), 'the rootless socket'],
    [join(homedir(), '.docker/run/docker.sock'), 'the Docker Desktop socket'],
  ] as const;
  for (const [path, foundBy] of candidates) {
    if (await isSocket(path)) return {address: `unix://${path}`, foundBy};
  }
  throw new PipelineError(
    'ENGINE_UNREACHABLE',
    `no Docker engine is running here (looked for ${candidates.map(([path]) => path).join(', ')})`,
    {hint: engineHint},
  );
}

/** What to do where no engine answers. */
export const engineHint =
  'Start the engine (systemctl start docker), or let hypriotkit install and start one: ./hypriotkit --setup doctor';

async function withEnvironmentTls(address: string, foundBy: string, env: Environment): Promise<DockerHost> {
  const verify = Boolean(env['DOCKER_TLS_VERIFY']);
  if (!verify && !env['DOCKER_TLS']) return {address, foundBy};
  const folder = env['DOCKER_CERT_PATH'] || join(homedir(), '.docker');
  return {address, foundBy, tls: {...(await readTls(folder)), verify}};
}

async function currentContext(env: Environment): Promise<string | undefined> {
  if (env['DOCKER_CONTEXT']) return env['DOCKER_CONTEXT'] === 'default' ? undefined : env['DOCKER_CONTEXT'];
  const config = await readJson(join(dockerConfigFolder(env), 'config.json'));
  const name = config?.['currentContext'];
  return typeof name === 'string' && name !== '' && name !== 'default' ? name : undefined;
}

/** Contexts lie in folders named by the SHA-256 of their name (docker/cli, `context/store`). */
async function contextHost(name: string, env: Environment): Promise<DockerHost> {
  const id = createHash('sha256').update(name).digest('hex');
  const folder = join(dockerConfigFolder(env), 'contexts');
  const meta = await readJson(join(folder, 'meta', id, 'meta.json'));
  const endpoint = (meta?.['Endpoints'] as {docker?: {Host?: string; SkipTLSVerify?: boolean}} | undefined)
    ?.docker;
  if (endpoint?.Host === undefined) {
    throw new PipelineError('ENGINE_UNREACHABLE', `the Docker context "${name}" does not exist`, {
      hint: 'docker context ls shows the contexts; DOCKER_CONTEXT=default uses the local engine.',
    });
  }
  const foundBy = `context "${name}"`;
  const tls = await readTls(join(folder, 'tls', id, 'docker'));
  if (tls.ca === undefined && tls.cert === undefined) return {address: endpoint.Host, foundBy};
  return {address: endpoint.Host, foundBy, tls: {...tls, verify: endpoint.SkipTLSVerify !== true}};
}

function dockerConfigFolder(env: Environment): string {
  return env['DOCKER_CONFIG'] || join(homedir(), '.docker');
}

async function readTls(folder: string): Promise<{ca?: Buffer; cert?: Buffer; key?: Buffer}> {
  const [ca, cert, key] = await Promise.all(
    ['ca.pem', 'cert.pem', 'key.pem'].map((name) => readFile(join(folder, name)).catch(() => undefined)),
  );
  return {...(ca && {ca}), ...(cert && {cert}), ...(key && {key})};
}

async function readJson(path: string): Promise<Record<string, unknown> | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  } catch {
    // Absent or broken: the docker command, too, then goes on with its defaults.
    return undefined;
  }
}

async function isSocket(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isSocket(),
    () => false,
  );
}
