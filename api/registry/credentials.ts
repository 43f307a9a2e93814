import {readFile} from 'node:fs/promises';
import {homedir} from 'node:os';
import {join} from 'node:path';
import {PipelineError} from '../errors.ts';
import {askCredentialHelper} from './credential-helper.ts';

/** What a registry lets somebody in with. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** What a registry's token server has given at login in place of a password: it gives tokens for it (OAuth 2, RFC 6749, 6). */
export interface IdentityToken {
  readonly identityToken: string;
}

/** How somebody is logged in to a registry. */
export type Login = Credentials | IdentityToken;

/** Finds the credentials for a registry; undefined means to try without. */
export type FindCredentials = (registry: string) => Promise<Login | undefined>;

interface StoredLogin {
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
}

interface DockerConfig {
  /** A helper for every registry that has none of its own. */
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly auths?: Readonly<Record<string, StoredLogin>>;
}

/**
 * Credentials as `docker login` and `podman login` keep them: in a file, `$REGISTRY_AUTH_FILE`, else `config.json` in
 * `$DOCKER_CONFIG` or `~/.docker`; or with the helper that this file names. A helper for all registries that is not
 * installed is passed over, because most registries let everybody in.
 *
 * @throws PipelineError while they are looked for, see `askCredentialHelper`
 */
export function credentialsFromFiles(
  env: Readonly<Record<string, string | undefined>> = process.env,
): FindCredentials {
  const file =
    env['REGISTRY_AUTH_FILE'] ?? join(env['DOCKER_CONFIG'] ?? join(homedir(), '.docker'), 'config.json');
  let config: Promise<DockerConfig> | undefined;
  return async (registry) => {
    config ??= readDockerConfig(file);
    const {auths = {}, credsStore, credHelpers = {}} = await config;
    // Docker writes the address of its own registry as it was in its first version.
    const plain = registry === 'docker.io' ? ['docker.io', 'https://index.docker.io/v1/'] : [registry];
    const names = [...plain, ...plain.map((name) => `https://${name}`)];
    const own = names.find((name) => credHelpers[name] !== undefined);
    if (own !== undefined) return askCredentialHelper(credHelpers[own] ?? '', own);
    const stored =
      credsStore === undefined ? undefined : await askStore(credsStore, plain.at(-1) ?? registry);
    if (stored !== undefined) return stored;
    const entry = names.map((name) => auths[name]).find((found) => found !== undefined);
    if (entry?.identitytoken) return {identityToken: entry.identitytoken};
    if (entry?.username !== undefined && entry.password !== undefined) {
      return {username: entry.username, password: entry.password};
    }
    const text = Buffer.from(entry?.auth ?? '', 'base64').toString('utf8');
    const colon = text.indexOf(':');
    return colon <= 0 ? undefined : {username: text.slice(0, colon), password: text.slice(colon + 1)};
  };
}

async function askStore(helper: string, server: string): Promise<Login | undefined> {
  try {
    return await askCredentialHelper(helper, server);
  } catch (error) {
    if (error instanceof PipelineError && error.code === 'TOOL_MISSING') return undefined;
    throw error;
  }
}

async function readDockerConfig(file: string): Promise<DockerConfig> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as DockerConfig;
  } catch {
    // Who is not logged in anywhere has no such file; one that is broken helps nobody to log in either.
    return {};
  }
}
