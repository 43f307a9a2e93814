import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {PipelineError} from '../errors.ts';
import type {Login} from './credentials.ts';

/** What helpers say for a registry that nobody has logged in to (docker/docker-credential-helpers, credentials/error.go). */
const notFound = /credentials not found/;
/** Takes the place of a user name where the secret is an identity token. */
const tokenUser = '<token>';

/**
 * Asks the program `docker-credential-<helper>` for the credentials of a server.
 *
 * @param server As it was written at login: `registry.example`, `https://index.docker.io/v1/`.
 * @returns undefined when it has none
 * @throws PipelineError `TOOL_MISSING` when there is no such program, `REGISTRY_FAILED` for what it complains of
 */
export async function askCredentialHelper(helper: string, server: string): Promise<Login | undefined> {
  const program = `docker-credential-${helper}`;
  // It may want to ask the user something, on the terminal.
  const child = spawn(program, ['get'], {stdio: ['pipe', 'pipe', 'inherit']});
  let said = '';
  child.stdout.on('data', (text: Buffer) => (said += text.toString('utf8')));
  child.stdin.on('error', () => undefined);
  child.stdin.end(server);
  let status: number | null;
  try {
    [status] = (await once(child, 'close')) as [number | null];
  } catch (error) {
    throw new PipelineError('TOOL_MISSING', `the program ${program} cannot be started`, {
      hint: `Docker's configuration names it for the passwords of ${server}: install it, or log in without it.`,
      cause: error,
    });
  }
  if (status !== 0) {
    if (notFound.test(said)) return undefined;
    throw failed(
      `${program} gives no password for ${server}: ${said.trim().slice(0, 500) || `status ${status}`}`,
    );
  }
  const {Username: username, Secret: password} = parse(said, program);
  if (typeof username !== 'string' || typeof password !== 'string')
    throw failed(`${program} gives neither user nor password for ${server}`);
  return username === tokenUser ? {identityToken: password} : {username, password};
}

/** What it said may hold the password, and is never shown. */
function parse(said: string, program: string): {readonly Username?: unknown; readonly Secret?: unknown} {
  try {
    return JSON.parse(said) as object;
  } catch {
    throw failed(`${program} answers something that is not JSON`);
  }
}

function failed(message: string): PipelineError {
  return new PipelineError('REGISTRY_FAILED', message, {hint: 'Log in again: docker login'});
}
