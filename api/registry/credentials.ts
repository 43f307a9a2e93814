import {readFile} from 'node:fs/promises';
import {homedir} from 'node:os';
import {join} from 'node:path';

/** What a registry lets somebody in with. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** Finds the credentials for a registry; undefined means to try without. */
export type FindCredentials = (registry: string) => Promise<Credentials | undefined>;

interface DockerConfig {
  readonly auths?: Readonly<Record<string, {auth?: string; username?: string; password?: string}>>;
}

/**
 * Credentials as `docker login` and `podman login` keep them in a file: `$REGISTRY_AUTH_FILE`, else `config.json` in
 * `$DOCKER_CONFIG` or `~/.docker`. Credential helpers are not asked.
 */
export function credentialsFromFiles(
  env: Readonly<Record<string, string | undefined>> = process.env,
): FindCredentials {
  const file =
    env['REGISTRY_AUTH_FILE'] ?? join(env['DOCKER_CONFIG'] ?? join(homedir(), '.docker'), 'config.json');
  let config: Promise<DockerConfig> | undefined;
  return async (registry) => {
    config ??= readDockerConfig(file);
    const {auths = {}} = await config;
    // Docker writes the address of its own registry as it was in its first version.
    const names = registry === 'docker.io' ? ['docker.io', 'https://index.docker.io/v1/'] : [registry];
    const entry = [...names, ...names.map((name) => `https://${name}`)]
      .map((name) => auths[name])
      .find((found) => found !== undefined);
    if (entry?.username !== undefined && entry.password !== undefined) {
      return {username: entry.username, password: entry.password};
    }
    const text = Buffer.from(entry?.auth ?? '', 'base64').toString('utf8');
    const colon = text.indexOf(':');
    return colon <= 0 ? undefined : {username: text.slice(0, colon), password: text.slice(colon + 1)};
  };
}

async function readDockerConfig(file: string): Promise<DockerConfig> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as DockerConfig;
  } catch {
    // Who is not logged in anywhere has no such file; one that is broken helps nobody to log in either.
    return {};
  }
}
