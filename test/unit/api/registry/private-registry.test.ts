import {execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {createPrivateKey, X509Certificate} from 'node:crypto';
import {get} from 'node:https';
import {copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync} from 'node:fs';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi} from 'vitest';
import {workerMediaTypes} from '../../../../api/engine/swarm/swarm-registry.ts';
import {workerFormat} from '../../../../api/engine/swarm/worker-job.ts';
import {parseRepository} from '../../../../api/registry/repository-name.ts';
import {ArtifactRepository} from '../../../../api/registry/artifact-repository.ts';
import {digestOf} from '../../../../api/registry/manifest.ts';
import {findCertificates} from '../../../../api/registry/registry-certificates.ts';
import {packageRoot} from '../../../../configs/package-root.ts';
import {TestAuthority, type CertificateFiles} from '../../../registry/certificates.ts';
import {DockerRegistry} from '../../../registry/docker-registry.ts';
import {WritableRegistry} from './writable-registry.ts';
import {TokenServer} from '../../../registry/token-server.ts';

const content = Buffer.from('an artifact\n');
const digest = digestOf(content);
const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: workerMediaTypes.manifest,
    config: {mediaType: 'application/test', digest, size: content.length},
    layers: [],
  }),
);

let folder: string;
let ours: TestAuthority;
let theirs: TestAuthority;
let server: CertificateFiles;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hypriotkit-test-tls-'));
  ours = await TestAuthority.create(join(folder, 'ours'), 'ours');
  theirs = await TestAuthority.create(join(folder, 'theirs'), 'theirs');
  server = await ours.issue('server', 'IP:127.0.0.1');
});
afterAll(() => rm(folder, {recursive: true, force: true}));

let certificates: string;
beforeEach(async () => {
  certificates = await mkdtemp(join(folder, 'certs.d-'));
  vi.stubEnv('HYPRIOTKIT_CERTS_D', certificates);
  vi.stubEnv('DOCKER_CONFIG', certificates);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

function connect(registry: DockerRegistry): ArtifactRepository {
  return new ArtifactRepository(parseRepository(`${registry.host}/team/cache`, 'test'));
}

/** Sends something and reads it again, as somebody who knows nothing of it. */
async function exchange(registry: DockerRegistry): Promise<string | undefined> {
  await using writer = connect(registry);
  await writer.writeBlob(digest, content);
  await writer.writeManifest('tag', manifest);
  await using reader = connect(registry);
  expect((await reader.readManifest('tag'))?.digest).toBe(digestOf(manifest));
  return (await reader.readBlob(digest, content.length))?.toString();
}

/** Keeps passwords as docker login does. */
function logIn(config: object): void {
  writeFileSync(join(certificates, 'config.json'), JSON.stringify(config));
}

/** A registry that lets one user in, by a file as `htpasswd -B` writes it. */
function passwordFile(): string {
  const script = 'print "anna:", crypt("p:w", "\\$2y\\$05\\$abcdefghijklmnopqrstuu"), "\\n"';
  const file = join(certificates, 'htpasswd');
  writeFileSync(file, execFileSync('perl', ['-e', script]));
  return file;
}

describe('a registry with a certificate of a private authority', () => {
  it('is spoken to with TLS as soon as its authority is known, and not before', async () => {
    await using registry = await DockerRegistry.start({tls: server});
    await theirs.trustIn(certificates, registry.host);
    await expect(exchange(registry)).rejects.toMatchObject({
      code: 'REGISTRY_FAILED',
      message: expect.stringMatching(/certificate of an authority that is not trusted here/) as string,
      hint: `Put the authority's certificate where Docker looks for it: /etc/docker/certs.d/${registry.host}/ca.crt`,
    });
    await ours.trustIn(certificates, registry.host);
    expect(await exchange(registry)).toBe(content.toString());
  });

  it('is refused when its certificate is for another name', async () => {
    await using registry = await DockerRegistry.start({tls: await ours.issue('other', 'DNS:other.example')});
    await ours.trustIn(certificates, registry.host);
    await expect(exchange(registry)).rejects.toThrow(/shows a certificate for another name/);
  });

  it('is told from one that does not speak TLS', async () => {
    await using registry = await DockerRegistry.start();
    await ours.trustIn(certificates, registry.host);
    await expect(exchange(registry)).rejects.toMatchObject({
      message: `the registry ${registry.host} does not speak TLS`,
      hint: `If that is meant so: --insecure ${registry.host}`,
    });
  });

  it('may want a certificate of ours', async () => {
    await using registry = await DockerRegistry.start({tls: {...server, clients: theirs.files.certificate}});
    const known = await ours.trustIn(certificates, registry.host);
    const anybody = {ca: readFileSync(ours.files.certificate), headers: {connection: 'close'}};
    const [error] = (await once(get(`https://${registry.host}/v2/`, anybody), 'error')) as [Error];
    expect(error.message).toMatch(/certificate required|socket hang up|bad certificate/);
    const client = await theirs.issue('client');
    copyFileSync(client.certificate, join(known, 'client.cert'));
    await expect(findCertificates(registry.host)).rejects.toThrow(/has client.cert and no client.key/);
    copyFileSync(client.key, join(known, 'client.key'));
    expect(await exchange(registry)).toBe(content.toString());
  });
});

it('a certificate that is none is named', async () => {
  mkdirSync(join(certificates, 'r.example:5000'));
  writeFileSync(join(certificates, 'r.example:5000', 'ca.crt'), Buffer.from([0x30, 0x82]));
  await expect(findCertificates('r.example:5000')).rejects.toThrow(/ca\.crt is not in PEM/);
  expect(await findCertificates('other.example')).toBeUndefined();
});

describe('a registry that wants to know who asks', () => {
  const htpasswd = () => ({htpasswd: {realm: 'test', path: passwordFile()}});

  it('gets the password of docker login, over TLS, and says so when there is none', async () => {
    await using registry = await DockerRegistry.start({tls: server, auth: htpasswd()});
    await ours.trustIn(certificates, registry.host);
    await expect(exchange(registry)).rejects.toMatchObject({
      hint: expect.stringContaining(`docker login ${registry.host}`) as string,
    });
    logIn({auths: {[registry.host]: {auth: Buffer.from('anna:p:w').toString('base64')}}});
    expect(await exchange(registry)).toBe(content.toString());
  });

  it('gets it from a credential helper', async () => {
    await using registry = await DockerRegistry.start({tls: server, auth: htpasswd()});
    await ours.trustIn(certificates, registry.host);
    const helper = join(certificates, 'docker-credential-test');
    writeFileSync(helper, `#!/bin/sh\ncat >/dev/null\necho '{"Username":"anna","Secret":"p:w"}'\n`, {
      mode: 0o755,
    });
    vi.stubEnv('PATH', `${certificates}:${process.env['PATH'] ?? ''}`);
    logIn({credHelpers: {[registry.host]: 'test'}});
    expect(await exchange(registry)).toBe(content.toString());
  });

  it('gets a token for what is to be done, and another one for more', async () => {
    const issuer = await ours.issue('issuer');
    await using tokens = await TokenServer.start(
      new X509Certificate(readFileSync(issuer.certificate)),
      createPrivateKey(readFileSync(issuer.key)),
      // Nobody may read and everybody who is known may write: the two are asked for in turn.
      ({authorization}, actions) => (authorization === undefined ? [] : actions),
    );
    await using registry = await DockerRegistry.start({auth: tokens.auth(ours.files.certificate)});
    await expect(exchange(registry)).rejects.toThrow(/does not let us/);
    logIn({auths: {[registry.host]: {username: 'anna', password: 'p:w'}}});
    expect(await exchange(registry)).toBe(content.toString());
    const basic = `Basic ${Buffer.from('anna:p:w').toString('base64')}`;
    const asked = tokens.requests.filter(({authorization}) => authorization === basic);
    // The registry names actions in any order.
    const actions = asked.flatMap(({scopes}) =>
      scopes.map((scope) => scope.split(':')[2]?.split(',').sort()),
    );
    expect(actions).toEqual([['pull'], ['pull', 'push'], ['pull']]);
  });
});

describe('the worker of a swarm', () => {
  /** Lets a worker look for a result that is there; until it ends, or has said something. */
  async function work(registry: object, until = /::worker ended/): Promise<string> {
    const job = join(certificates, 'job.json');
    const common = {format: workerFormat, version: '1.0.0', mediaTypes: workerMediaTypes};
    writeFileSync(job, JSON.stringify({...common, registry, entry: {fingerprint: 'tag'}}));
    const program = join(packageRoot(), 'build-images/swarm_worker/worker');
    const worker = spawn('perl', [program, job], {detached: true, stdio: ['ignore', 'ignore', 'pipe']});
    let said = '';
    worker.stderr.on('data', (text: Buffer) => {
      said += text.toString();
      // With what it speaks TLS through, which a container's end takes along.
      if (until.test(said)) process.kill(-(worker.pid ?? 0), 'SIGKILL');
    });
    await once(worker, 'close');
    return said;
  }

  it('speaks to it as the client does', async () => {
    await using registry = await DockerRegistry.start({
      tls: {...server, clients: theirs.files.certificate},
      auth: {htpasswd: {realm: 'test', path: passwordFile()}},
    });
    const client = await theirs.issue('client');
    const known = await ours.trustIn(certificates, registry.host);
    copyFileSync(client.certificate, join(known, 'client.cert'));
    copyFileSync(client.key, join(known, 'client.key'));
    logIn({auths: {[registry.host]: {username: 'anna', password: 'p:w'}}});
    await exchange(registry);

    const {SwarmRegistry} = await import('../../../../api/engine/swarm/swarm-registry.ts');
    const reference = parseRepository(`${registry.host}/team/cache`, 'test');
    const open = () => SwarmRegistry.open(reference, false, new AbortController().signal);
    await using shared = await open();
    expect(await work(shared.forWorkers)).toBe('::worker ended {"status":0}\n');
    renameSync(join(certificates, 'config.json'), join(certificates, 'none.json'));
    await using nobody = await open();
    expect(await work(nobody.forWorkers)).toContain('"refused":"unauthorized"');
    await theirs.trustIn(certificates, registry.host);
    await using wrong = await open();
    expect(await work(wrong.forWorkers, /waiting for the registry/)).not.toContain('::worker ended');
  });

  it('is as patient as the client with a registry that is busy', async () => {
    await using registry = await WritableRegistry.start();
    registry.manifests.set('team/cache:tag', manifest);
    const answers = [429, 500];
    registry.intercept = (_asked, response) => {
      const status = answers.shift();
      if (status !== undefined) response.writeHead(status).end();
      return status !== undefined;
    };
    const said = await work({url: `http://${registry.host}`, repository: 'team/cache'});
    expect(said.trim().split('\n')).toEqual([
      '::worker progress waiting for the registry: it answers 429',
      '::worker progress waiting for the registry: it answers 500',
      '::worker ended {"status":0}',
    ]);
  });
});

describe('the client of a swarm', () => {
  it('waits for a registry that is away, says so once, and finds what is there', async () => {
    await using registry = await WritableRegistry.start();
    registry.manifests.set('team/cache:tag', manifest);
    const notices: string[] = [];
    const {SwarmRegistry} = await import('../../../../api/engine/swarm/swarm-registry.ts');
    const reference = parseRepository(`${registry.host}/team/cache`, 'test');
    await using shared = await SwarmRegistry.open(reference, true, new AbortController().signal, (message) =>
      notices.push(message),
    );
    await shared.probe();
    // More than what a single question is asked again for.
    let left = 6;
    registry.intercept = (_asked, response) => {
      if (left-- <= 0) return false;
      response.writeHead(500).end();
      return true;
    };
    expect(await shared.find('tag')).toBe(digestOf(manifest));
    expect(notices).toEqual([
      `the registry ${registry.host} answers 500 for ${registry.host}/team/cache; waiting for it`,
      `the registry ${registry.host} is back`,
    ]);
  });
});
