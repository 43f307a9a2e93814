import type Dockerode from 'dockerode';
import {PipelineError} from '../errors.ts';
import {engineHint, findDockerHost, type DockerHost} from './host.ts';

/** The oldest engine API that has everything used here: 1.41, Docker Engine 20.10. */
export const oldestApiVersion = '1.41';

export interface EngineInfo {
  readonly name: string;
  readonly version: string;
  readonly apiVersion: string;
  /** In Debian's words: `amd64`, `arm64`. */
  readonly architecture: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** How it was found, for messages. */
  readonly host: DockerHost;
  readonly rootless: boolean;
}

export interface DockerConnection {
  readonly docker: Dockerode;
  readonly engine: EngineInfo;
}

/** What is used of the answer to `GET /info`. */
interface SystemInfo {
  readonly OSType: string;
  readonly Name: string;
  readonly Architecture: string;
  readonly NCPU: number;
  readonly MemTotal: number;
  readonly SecurityOptions: readonly string[] | null;
}

/**
 * Connects to the engine and checks that it is one that can build images.
 *
 * @throws PipelineError `ENGINE_UNREACHABLE`, `ENGINE_TOO_OLD` or `ENGINE_UNSUITABLE`.
 */
export async function connectDocker(explicitHost?: string): Promise<DockerConnection> {
  const host = await findDockerHost(explicitHost);
  const docker = await openDocker(host);
  const info = (await docker.info().catch((error: unknown) => {
    throw unreachableEngine(host, error);
  })) as SystemInfo;
  const version = await docker.version();
  if (compareVersions(version.ApiVersion, oldestApiVersion) < 0) {
    throw new PipelineError(
      'ENGINE_TOO_OLD',
      `the Docker engine at ${host.address} is version ${version.Version} (API ${version.ApiVersion}); hypriotkit needs 20.10 (API ${oldestApiVersion}) or newer`,
      {hint: 'Upgrade the engine, or point DOCKER_HOST to a newer one.'},
    );
  }
  if (info.OSType !== 'linux') {
    throw new PipelineError(
      'ENGINE_UNSUITABLE',
      `the Docker engine at ${host.address} runs ${info.OSType} containers, not Linux ones`,
      {
        hint: 'Switch Docker Desktop to Linux containers.',
      },
    );
  }
  return {
    docker,
    engine: {
      name: info.Name,
      version: version.Version,
      apiVersion: version.ApiVersion,
      architecture: debianArchitecture(info.Architecture),
      cpus: info.NCPU,
      memoryBytes: info.MemTotal,
      host,
      rootless: (info.SecurityOptions ?? []).some((option) => option.includes('rootless')),
    },
  };
}

async function openDocker(host: DockerHost): Promise<Dockerode> {
  // Loaded here because it takes 80 ms, which a command without an engine should not pay.
  const {default: Docker} = await import('dockerode');
  const url = parseAddress(host);
  if (url.protocol === 'unix:' || url.protocol === 'npipe:') {
    return new Docker({socketPath: socketPath(host.address)});
  }
  if (url.protocol === 'ssh:') {
    const agent = process.env['SSH_AUTH_SOCK'];
    return new Docker({
      protocol: 'ssh',
      host: url.hostname,
      port: Number(url.port || 22),
      username: decodeURIComponent(url.username) || (process.env['USER'] ?? 'root'),
      ...(agent && {sshOptions: {agent}}),
    });
  }
  const tls = host.tls ?? (url.protocol === 'https:' ? {verify: true} : undefined);
  const options = {
    protocol: tls ? 'https' : 'http',
    host: url.hostname,
    port: Number(url.port || (tls ? 2376 : 2375)),
    ...(tls?.ca && {ca: tls.ca}),
    ...(tls?.cert && {cert: tls.cert}),
    ...(tls?.key && {key: tls.key}),
  } as const;
  if (!tls || tls.verify) return new Docker(options);
  const {Agent} = await import('node:https');
  return new Docker({
    ...options,
    agent: new Agent({rejectUnauthorized: false, ca: tls.ca, cert: tls.cert, key: tls.key}),
  } as Dockerode.DockerOptions);
}

function parseAddress(host: DockerHost): URL {
  const withScheme = host.address.includes('://') ? host.address : `tcp://${host.address}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  const isSocket = url?.protocol === 'unix:' || url?.protocol === 'npipe:';
  // An empty place must not get to dockerode, which would quietly take the local engine for it.
  const place = isSocket ? socketPath(host.address) : url?.hostname;
  if (!url || !place || !['unix:', 'npipe:', 'tcp:', 'http:', 'https:', 'ssh:'].includes(url.protocol)) {
    throw new PipelineError(
      'ENGINE_UNREACHABLE',
      `"${host.address}" (${host.foundBy}) is not the address of a Docker engine`,
      {
        hint: 'It should look like unix:///var/run/docker.sock, tcp://host:2376 or ssh://user@host.',
      },
    );
  }
  return url;
}

/** The path as it stands there: a URL would escape spaces in it, and take `#` and `?` for more than characters. */
function socketPath(address: string): string {
  return address.slice(address.indexOf('://') + '://'.length);
}

function unreachableEngine(host: DockerHost, error: unknown): PipelineError {
  const code = (error as {code?: string}).code;
  const why =
    code === 'EACCES'
      ? 'permission denied'
      : code === 'ENOENT'
        ? 'no such socket'
        : code === 'ECONNREFUSED'
          ? 'connection refused'
          : error instanceof Error
            ? error.message
            : String(error);
  const hint =
    code === 'EACCES'
      ? 'Add yourself to the group of the socket (sudo usermod -aG docker "$USER", then log in again), or use a rootless engine.'
      : engineHint;
  return new PipelineError(
    'ENGINE_UNREACHABLE',
    `the Docker engine at ${host.address} (${host.foundBy}) cannot be reached: ${why}`,
    {
      hint,
      cause: error,
    },
  );
}

/** Compares dotted numbers; negative when `a` is older than `b`. */
export function compareVersions(a: string, b: string): number {
  const left = a.split('.').map(Number);
  const right = b.split('.').map(Number);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function debianArchitecture(machine: string): string {
  const known: Record<string, string> = {
    x86_64: 'amd64',
    amd64: 'amd64',
    aarch64: 'arm64',
    arm64: 'arm64',
    armv7l: 'armhf',
    i686: 'i386',
  };
  return known[machine] ?? machine;
}
