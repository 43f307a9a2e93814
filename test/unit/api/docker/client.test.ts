import {execFileSync, spawnSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {mkdir, writeFile} from 'node:fs/promises';
import {createServer} from 'node:net';
import {networkInterfaces} from 'node:os';
import {join} from 'node:path';
import fc from 'fast-check';
import {afterEach, beforeEach, describe, expect, it, vi} from 'vitest';
import {compareVersions, connectDocker} from '../../../../api/docker/client.ts';
import {engineHint} from '../../../../api/docker/host.ts';
import {makeTempFolder} from '../temp-folder.ts';
import {json, listenOnPort, listenOnSocket, recentEngine, type Answer} from './fake-engine.ts';

const {info, version} = recentEngine;

beforeEach(() => {
  for (const name of ['DOCKER_HOST', 'DOCKER_TLS', 'DOCKER_TLS_VERIFY', 'DOCKER_CERT_PATH', 'DOCKER_CONTEXT'])
    vi.stubEnv(name, undefined);
});
afterEach(() => void vi.unstubAllEnvs());

/** The error of connecting to an address. */
const failure = (fields: {code: string; message?: unknown; hint?: unknown}) =>
  expect.objectContaining({name: 'PipelineError', ...fields}) as Error;

describe('connectDocker', () => {
  it('describes an engine that it can use', async () => {
    const address = await listenOnSocket();
    const {engine} = await connectDocker(address);
    expect(engine).toEqual({
      name: 'reef',
      version: '27.1.0',
      apiVersion: '1.46',
      architecture: 'amd64',
      cpus: 4,
      memoryBytes: 8_000_000_000,
      host: {address, foundBy: 'the host option'},
      rootless: false,
    });
  });

  it.each([
    ['x86_64', 'amd64'],
    ['aarch64', 'arm64'],
    ['arm64', 'arm64'],
    ['armv7l', 'armhf'],
    ['i686', 'i386'],
    ['riscv64', 'riscv64'],
  ])('calls %s what Debian calls it: %s', async (machine, name) => {
    const address = await listenOnSocket({'GET /info': json({...info, Architecture: machine})});
    expect((await connectDocker(address)).engine.architecture).toBe(name);
  });

  it.each([
    [['name=seccomp', 'name=rootless'], true],
    [[], false],
    [null, false],
  ])('knows by %j whether it is rootless', async (options, rootless) => {
    const address = await listenOnSocket({'GET /info': json({...info, SecurityOptions: options})});
    expect((await connectDocker(address)).engine.rootless).toBe(rootless);
  });

  it('takes the oldest engine that will do, and no older one', async () => {
    const answers = (ApiVersion: string, Version: string) => ({
      'GET /version': json({...version, ApiVersion, Version}),
    });
    await expect(connectDocker(await listenOnSocket(answers('1.41', '20.10.0')))).resolves.toBeDefined();
    const address = await listenOnSocket(answers('1.39', '18.09.1'));
    await expect(connectDocker(address)).rejects.toThrow(
      failure({
        code: 'ENGINE_TOO_OLD',
        message: `the Docker engine at ${address} is version 18.09.1 (API 1.39); hypriotkit needs 20.10 (API 1.41) or newer`,
        hint: expect.any(String),
      }),
    );
  });

  it('refuses an engine that runs Windows containers', async () => {
    const address = await listenOnSocket({'GET /info': json({...info, OSType: 'windows'})});
    await expect(connectDocker(address)).rejects.toThrow(
      failure({
        code: 'ENGINE_UNSUITABLE',
        message: expect.stringContaining('runs windows containers, not Linux ones'),
        hint: expect.any(String),
      }),
    );
  });

  it('says that there is no such socket', async () => {
    const path = join(await makeTempFolder(), 'docker.sock');
    await expect(connectDocker(`unix://${path}`)).rejects.toThrow(
      failure({
        code: 'ENGINE_UNREACHABLE',
        message: `the Docker engine at unix://${path} (the host option) cannot be reached: no such socket`,
        hint: engineHint,
      }),
    );
  });

  it('says that nobody listens', async () => {
    const path = join(await makeTempFolder(), 'docker.sock');
    // A socket that a killed engine left behind.
    const engine = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
    expect(spawnSync(process.execPath, ['-e', engine, path]).signal).toBe('SIGKILL');
    await expect(connectDocker(`unix://${path}`)).rejects.toThrow(
      failure({
        code: 'ENGINE_UNREACHABLE',
        message: expect.stringContaining('connection refused'),
        hint: engineHint,
      }),
    );
  });

  it('says that nobody listens on a port', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const {port} = server.address() as {port: number};
    await new Promise((resolve) => void server.close(resolve));
    await expect(connectDocker(`tcp://127.0.0.1:${port}`)).rejects.toThrow(
      failure({code: 'ENGINE_UNREACHABLE', message: expect.stringContaining('connection refused')}),
    );
  });

  it.runIf(process.getuid?.() === 0)('says what to do about a socket that one may not use', async () => {
    const address = await listenOnSocket();
    await import('dockerode');
    process.seteuid?.(65_534);
    try {
      await expect(connectDocker(address)).rejects.toThrow(
        failure({
          code: 'ENGINE_UNREACHABLE',
          message: expect.stringContaining('permission denied'),
          hint: expect.stringContaining('usermod -aG docker'),
        }),
      );
    } finally {
      process.seteuid?.(0);
    }
  });

  it.each(['foo://x', 'foo:///x', 'tcp://', 'ftp://host', '', 'tcp://host:99999', 'a b'])(
    'does not take %j for an address',
    async (address) => {
      await expect(connectDocker(address)).rejects.toThrow(
        failure({
          code: 'ENGINE_UNREACHABLE',
          message: `"${address}" (the host option) is not the address of a Docker engine`,
          hint: expect.stringContaining('unix:///var/run/docker.sock'),
        }),
      );
    },
  );

  it('says what an engine answers that is none', async () => {
    const broken: Answer = (_request, response) => void response.writeHead(500).end('{"message": "boom"}');
    await expect(connectDocker(await listenOnSocket({'GET /info': broken}))).rejects.toThrow(
      failure({code: 'ENGINE_UNREACHABLE', message: expect.stringContaining('boom')}),
    );
  });

  it.each(['with space.sock', 'ä.sock', '100%25.sock', 'a#b?c.sock'])('finds the socket %j', async (name) => {
    await expect(connectDocker(await listenOnSocket({}, name))).resolves.toBeDefined();
  });

  it('takes host and port without a scheme for tcp', async () => {
    await expect(connectDocker(await listenOnPort('127.0.0.1'))).resolves.toBeDefined();
    await expect(connectDocker(`http://${await listenOnPort('127.0.0.1')}`)).resolves.toBeDefined();
  });

  const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
    all?.some(({address}) => address === '::1'),
  );
  it.runIf(hasIpv6)('takes an IPv6 address', async () => {
    await expect(connectDocker(`tcp://${await listenOnPort('::1')}`)).resolves.toBeDefined();
  });
});

describe('an engine behind TLS', () => {
  /** A CA, and a server's and a client's certificate of it, as `docker` wants them in `DOCKER_CERT_PATH`. */
  async function makeCertificates(): Promise<{
    folder: string;
    server: {key: Buffer; cert: Buffer; ca: Buffer};
  }> {
    const folder = await makeTempFolder();
    const openssl = (...args: string[]) => execFileSync('openssl', args, {cwd: folder, stdio: 'pipe'});
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    openssl(
      'req',
      '-x509',
      ...key,
      '-keyout',
      'ca-key.pem',
      '-out',
      'ca.pem',
      '-subj',
      '/CN=test CA',
      '-days',
      '2',
    );
    await writeFile(join(folder, 'names'), 'subjectAltName=IP:127.0.0.1');
    for (const [file, keyFile, name] of [
      ['server.pem', 'server-key.pem', '/CN=engine'],
      ['cert.pem', 'key.pem', '/CN=client'],
    ] as const) {
      openssl('req', '-new', ...key, '-keyout', keyFile, '-out', 'request', '-subj', name);
      const sign = ['-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-CAcreateserial', '-days', '2'];
      openssl('x509', '-req', '-in', 'request', ...sign, '-extfile', 'names', '-out', file);
    }
    const read = (name: string) => readFileSync(join(folder, name));
    return {
      folder,
      server: {key: read('server-key.pem'), cert: read('server.pem'), ca: read('ca.pem')},
    };
  }

  it('is reached with the certificates of DOCKER_CERT_PATH, and only with them', async () => {
    const {folder, server} = await makeCertificates();
    const address = `tcp://${await listenOnPort('127.0.0.1', {...server, requestCert: true, rejectUnauthorized: true})}`;
    vi.stubEnv('DOCKER_TLS_VERIFY', '1');
    vi.stubEnv('DOCKER_CERT_PATH', folder);
    const {engine} = await connectDocker(address);
    expect(engine).toMatchObject({name: 'reef', host: {address, tls: {verify: true}}});

    // Another CA: this is not the engine that was meant.
    vi.stubEnv('DOCKER_CERT_PATH', (await makeCertificates()).folder);
    await expect(connectDocker(address)).rejects.toThrow(failure({code: 'ENGINE_UNREACHABLE'}));

    // No client certificate: the engine refuses.
    vi.stubEnv('DOCKER_CERT_PATH', await makeTempFolder());
    await expect(connectDocker(address)).rejects.toThrow(failure({code: 'ENGINE_UNREACHABLE'}));

    // Not verified, but still with a certificate of our own.
    vi.stubEnv('DOCKER_TLS_VERIFY', undefined);
    vi.stubEnv('DOCKER_TLS', '1');
    const other = await makeTempFolder();
    for (const name of ['cert.pem', 'key.pem'])
      await writeFile(join(other, name), readFileSync(join(folder, name)));
    vi.stubEnv('DOCKER_CERT_PATH', other);
    expect((await connectDocker(address)).engine.host.tls?.verify).toBe(false);
  });

  it('is reached through a context with its own certificates', async () => {
    const {folder, server} = await makeCertificates();
    const address = `tcp://${await listenOnPort('127.0.0.1', server)}`;
    const config = await makeTempFolder();
    // SHA-256 of "reef", as the docker command names the folders of a context.
    const id = execFileSync('sh', ['-c', 'printf reef | sha256sum | cut -c1-64']).toString().trim();
    await mkdir(join(config, 'contexts', 'meta', id), {recursive: true});
    await mkdir(join(config, 'contexts', 'tls', id, 'docker'), {recursive: true});
    await writeFile(
      join(config, 'contexts', 'meta', id, 'meta.json'),
      JSON.stringify({Name: 'reef', Endpoints: {docker: {Host: address, SkipTLSVerify: false}}}),
    );
    await writeFile(
      join(config, 'contexts', 'tls', id, 'docker', 'ca.pem'),
      readFileSync(join(folder, 'ca.pem')),
    );
    vi.stubEnv('DOCKER_CONFIG', config);
    vi.stubEnv('DOCKER_CONTEXT', 'reef');
    const {engine} = await connectDocker();
    expect(engine.host).toMatchObject({address, foundBy: 'context "reef"', tls: {verify: true}});
  });
});

describe('compareVersions', () => {
  it.each([
    ['1.41', '1.41', 0],
    ['1.39', '1.41', -1],
    ['1.9', '1.41', -1],
    ['1.100', '1.41', 1],
    ['2.0', '1.41', 1],
    ['1', '1.0', 0],
    ['20.10.1', '20.10', 1],
  ])('%s and %s', (a, b, sign) => {
    expect(Math.sign(compareVersions(a, b))).toBe(sign);
  });

  it('is an order', () => {
    const versions = fc.array(fc.nat(200), {minLength: 1, maxLength: 4}).map((parts) => parts.join('.'));
    fc.assert(
      fc.property(versions, versions, versions, (a, b, c) => {
        expect(Math.sign(compareVersions(a, b)) + Math.sign(compareVersions(b, a))).toBe(0);
        if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0)
          expect(compareVersions(a, c)).toBeLessThanOrEqual(0);
      }),
    );
  });
});
