import {chmodSync, mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {afterEach, beforeEach, expect, it} from 'vitest';
import {credentialsFromFiles} from '../../../../api/registry/credentials.ts';
import {makeTempFolder} from '../temp-folder.ts';

const path = process.env['PATH'];
let folder: string;
beforeEach(async () => {
  folder = await makeTempFolder();
  mkdirSync(join(folder, 'bin'));
  process.env['PATH'] = `${join(folder, 'bin')}:${path ?? ''}`;
});
afterEach(() => {
  process.env['PATH'] = path;
});

/** A helper that answers for one server, in the words of Docker's own. */
function makeHelper(name: string, server: string, answer: string): void {
  const file = join(folder, 'bin', `docker-credential-${name}`);
  const script = `[ "$1" = get ] && read -r server
[ "$server" = '${server}' ] && { echo '${answer}'; exit 0; }
echo 'credentials not found in native keychain'; exit 1`;
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}

function find(config: object) {
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  return credentialsFromFiles({DOCKER_CONFIG: folder});
}

const auth = Buffer.from('me:in:file').toString('base64');
const answer = '{"ServerURL":"x","Username":"me","Secret":"from helper"}';

it('come from a helper of the registry, then from one for all, then from the file', async () => {
  makeHelper('one', 'a.example', answer);
  makeHelper('all', 'https://index.docker.io/v1/', answer.replace('from helper', 'of the hub'));
  const credentials = find({
    credHelpers: {'a.example': 'one', 'b.example': 'one'},
    credsStore: 'all',
    auths: {'a.example': {auth}, 'b.example': {auth}, 'c.example': {auth}},
  });
  expect(await credentials('a.example')).toEqual({username: 'me', password: 'from helper'});
  expect(await credentials('b.example')).toBeUndefined();
  expect(await credentials('docker.io')).toEqual({username: 'me', password: 'of the hub'});
  expect(await credentials('c.example')).toEqual({username: 'me', password: 'in:file'});
  expect(await credentials('d.example')).toBeUndefined();
});

it('a helper that is missing is an error only for the registry that needs it', async () => {
  const credentials = find({
    credHelpers: {'a.example': 'none'},
    credsStore: 'none-either',
    auths: {'b.example': {auth}},
  });
  await expect(credentials('a.example')).rejects.toMatchObject({
    code: 'TOOL_MISSING',
    message: 'the program docker-credential-none cannot be started',
  });
  expect(await credentials('b.example')).toEqual({username: 'me', password: 'in:file'});
});

it('may be a token, in the file or from a helper', async () => {
  makeHelper('one', 'a.example', '{"Username":"<token>","Secret":"of helper"}');
  const credentials = find({
    credHelpers: {'a.example': 'one'},
    auths: {'b.example': {auth: Buffer.from('me:').toString('base64'), identitytoken: 'of file'}},
  });
  expect(await credentials('a.example')).toEqual({identityToken: 'of helper'});
  expect(await credentials('b.example')).toEqual({identityToken: 'of file'});
});

it.each([
  ['secret without JSON', /answers something that is not JSON/],
  ['{"Secret":"secret"}', /gives neither user nor password/],
])('an answer like %s is an error that does not show it', async (said, message) => {
  makeHelper('odd', 'a.example', said);
  const failure = await find({credHelpers: {'a.example': 'odd'}})('a.example').catch(
    (error: unknown) => error,
  );
  expect(failure).toMatchObject({code: 'REGISTRY_FAILED', message: expect.stringMatching(message) as string});
  expect(String(failure)).not.toContain('secret');
});
