import {createHash} from 'node:crypto';
import {mkdir, writeFile} from 'node:fs/promises';
import {createServer} from 'node:net';
import {dirname, join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it, onTestFinished, vi} from 'vitest';
import {findDockerHost} from '../../../../api/docker/host.ts';
import {makeTempFolder} from '../temp-folder.ts';

/** Stands for the system's socket, so that an engine of this machine does not hide what comes after it. */
const systemSocket = (): string => join(home, 'system.sock');

let home = '';

beforeEach(async () => {
  home = await makeTempFolder();
  vi.stubEnv('HOME', home);
});
afterEach(() => void vi.unstubAllEnvs());

async function write(path: string, content: string | object): Promise<void> {
  await mkdir(dirname(path), {recursive: true});
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
}

/** What `docker context create` leaves. */
async function makeContext(name: string, endpoint: object, config = join(home, '.docker')): Promise<string> {
  const id = createHash('sha256').update(name).digest('hex');
  await write(join(config, 'contexts', 'meta', id, 'meta.json'), {Name: name, Endpoints: {docker: endpoint}});
  return join(config, 'contexts', 'tls', id, 'docker');
}

async function makeSocket(path: string): Promise<void> {
  await mkdir(dirname(path), {recursive: true});
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())));
}

describe('an address that is given', () => {
  it('wins over everything else', async () => {
    await makeContext('reef', {Host: 'tcp://reef:2375'});
    const env = {DOCKER_HOST: 'tcp://env:2375', DOCKER_CONTEXT: 'reef'};
    expect(await findDockerHost('tcp://me:2375', env)).toEqual({
      address: 'tcp://me:2375',
      foundBy: 'the host option',
    });
    expect(await findDockerHost(undefined, env)).toEqual({address: 'tcp://env:2375', foundBy: 'DOCKER_HOST'});
  });

  it('is not there when DOCKER_HOST is empty', async () => {
    await makeContext('reef', {Host: 'tcp://reef:2375'});
    const host = await findDockerHost(undefined, {DOCKER_HOST: '', DOCKER_CONTEXT: 'reef'});
    expect(host.foundBy).toBe('context "reef"');
  });

  it('is used with the certificates of ~/.docker or DOCKER_CERT_PATH when TLS is asked for', async () => {
    const certificates = await makeTempFolder();
    for (const folder of [certificates, join(home, '.docker')])
      for (const name of ['ca', 'cert', 'key'])
        await write(join(folder, `${name}.pem`), `${name} in ${folder}`);
    const tlsOf = async (env: Record<string, string>) =>
      (await findDockerHost(undefined, {DOCKER_HOST: 'tcp://x:2376', ...env})).tls;
    const inFolder = (folder: string) => ({
      ca: Buffer.from(`ca in ${folder}`),
      cert: Buffer.from(`cert in ${folder}`),
      key: Buffer.from(`key in ${folder}`),
    });
    expect(await tlsOf({})).toBeUndefined();
    expect(await tlsOf({DOCKER_TLS_VERIFY: ''})).toBeUndefined();
    expect(await tlsOf({DOCKER_CERT_PATH: certificates})).toBeUndefined();
    expect(await tlsOf({DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: certificates})).toEqual({
      ...inFolder(certificates),
      verify: true,
    });
    expect(await tlsOf({DOCKER_TLS: '1', DOCKER_CERT_PATH: certificates})).toMatchObject({verify: false});
    expect(await tlsOf({DOCKER_TLS_VERIFY: '1'})).toEqual({...inFolder(join(home, '.docker')), verify: true});
  });

  it('does not need all certificates', async () => {
    const folder = await makeTempFolder();
    await write(join(folder, 'ca.pem'), 'ca');
    const host = await findDockerHost('tcp://x:2376', {DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: folder});
    expect(host.tls).toEqual({ca: Buffer.from('ca'), verify: true});
  });
});

describe('a context', () => {
  const ssh = {Host: 'ssh://pirate@reef'};

  it('is the one that DOCKER_CONTEXT names, else the current one', async () => {
    await makeContext('reef', ssh);
    await makeContext('bay', {Host: 'tcp://bay:2375'});
    await write(join(home, '.docker', 'config.json'), {currentContext: 'bay', auths: {}});
    expect(await findDockerHost(undefined, {DOCKER_CONTEXT: 'reef'})).toEqual({
      address: 'ssh://pirate@reef',
      foundBy: 'context "reef"',
    });
    expect(await findDockerHost(undefined, {})).toEqual({
      address: 'tcp://bay:2375',
      foundBy: 'context "bay"',
    });
  });

  it('lies in DOCKER_CONFIG when that is set', async () => {
    const config = await makeTempFolder();
    await makeContext('reef', ssh, config);
    await write(join(config, 'config.json'), {currentContext: 'reef'});
    expect((await findDockerHost(undefined, {DOCKER_CONFIG: config})).address).toBe('ssh://pirate@reef');
  });

  it('brings its own certificates', async () => {
    const tls = await makeContext('reef', {Host: 'tcp://reef:2376', SkipTLSVerify: true});
    await write(join(tls, 'ca.pem'), 'ca');
    await write(join(tls, 'cert.pem'), 'cert');
    await write(join(tls, 'key.pem'), 'key');
    expect((await findDockerHost(undefined, {DOCKER_CONTEXT: 'reef'})).tls).toEqual({
      ca: Buffer.from('ca'),
      cert: Buffer.from('cert'),
      key: Buffer.from('key'),
      verify: false,
    });
  });

  it.each([{DOCKER_CONTEXT: 'gone'}, {}])(
    'that does not exist is an error that names it (%j)',
    async (env) => {
      await write(join(home, '.docker', 'config.json'), {currentContext: 'gone'});
      await expect(findDockerHost(undefined, env)).rejects.toThrow(
        expect.objectContaining({
          code: 'ENGINE_UNREACHABLE',
          message: 'the Docker context "gone" does not exist',
          hint: expect.stringContaining('docker context ls') as string,
        }) as Error,
      );
    },
  );

  it.each([
    'not JSON',
    '[]',
    '{"currentContext": 5}',
    '{"currentContext": ""}',
    '{"currentContext": "default"}',
  ])('is none in a config.json of %s', async (text) => {
    await write(join(home, '.docker', 'config.json'), text);
    const host = await findDockerHost(undefined, {XDG_RUNTIME_DIR: home}).catch((error: unknown) => error);
    expect(JSON.stringify(host)).not.toContain('context');
  });

  it('named default is the local engine, whatever the current one is', async () => {
    await makeContext('reef', ssh);
    await write(join(home, '.docker', 'config.json'), {currentContext: 'reef'});
    await makeSocket(systemSocket());
    const host = await findDockerHost(undefined, {DOCKER_CONTEXT: 'default'}, systemSocket());
    expect(host.foundBy).toBe('the system socket');
  });
});

describe('without any configuration', () => {
  it('it is the socket of the system, before that of a rootless engine', async () => {
    await makeSocket(systemSocket());
    await makeSocket(join(home, 'docker.sock'));
    expect(await findDockerHost(undefined, {XDG_RUNTIME_DIR: home}, systemSocket())).toEqual({
      address: `unix://${systemSocket()}`,
      foundBy: 'the system socket',
    });
  });

  it('it is the socket of a rootless engine', async () => {
    await makeSocket(join(home, 'run', 'docker.sock'));
    expect(await findDockerHost(undefined, {XDG_RUNTIME_DIR: join(home, 'run')}, systemSocket())).toEqual({
      address: `unix://${join(home, 'run', 'docker.sock')}`,
      foundBy: 'the rootless socket',
    });
  });

  it('it is the socket of Docker Desktop', async () => {
    await makeSocket(join(home, '.docker', 'run', 'docker.sock'));
    const host = await findDockerHost(undefined, {XDG_RUNTIME_DIR: join(home, 'run')}, systemSocket());
    expect(host.foundBy).toBe('the Docker Desktop socket');
  });

  it('a file in the place of the socket is none, and the error says where it looked', async () => {
    await write(join(home, 'docker.sock'), '');
    await expect(findDockerHost(undefined, {XDG_RUNTIME_DIR: home}, systemSocket())).rejects.toThrow(
      expect.objectContaining({
        code: 'ENGINE_UNREACHABLE',
        message: expect.stringContaining(join(home, 'docker.sock')) as string,
      }) as Error,
    );
  });
});
