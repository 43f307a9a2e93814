import Docker from 'dockerode';
import {execFile, spawn, type ChildProcess} from 'node:child_process';
import {randomBytes, randomInt} from 'node:crypto';
import {once} from 'node:events';
import {mkdir, mkdtemp, readdir, rm, rmdir, writeFile} from 'node:fs/promises';
import {get} from 'node:http';
import {get as getSecurely} from 'node:https';
import {createServer, type AddressInfo} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {TestAuthority, type CertificateFiles} from '../registry/certificates.ts';
import {until} from './engine.ts';

const run = promisify(execFile);

/** An engine of its own, in a network namespace and a process namespace of its own: when it dies, all of it does. */
export class PrivateNode {
  readonly name: string;
  readonly address: string;
  readonly socket: string;
  readonly docker: Docker;
  readonly #namespace: string;
  readonly #arguments: readonly string[];
  readonly #folder: string;
  readonly #certificates: string | undefined;
  #process: ChildProcess | undefined;
  #log = '';

  constructor(options: {
    readonly name: string;
    readonly namespace: string;
    readonly address: string;
    /** Address and network of its containers. */
    readonly bridge: string;
    readonly registry: string;
    /** The folder of certificates of registries that its engine sees; without any, the registry has no TLS. */
    readonly certificates: string | undefined;
    readonly folder: string;
    readonly cgroup: string;
  }) {
    this.name = options.name;
    this.address = options.address;
    this.#namespace = options.namespace;
    this.#folder = options.folder;
    this.#certificates = options.certificates;
    this.socket = join(options.folder, 'docker.sock');
    this.docker = new Docker({socketPath: this.socket});
    this.#arguments = [
      ...['--host', `unix://${this.socket}`, '--data-root', join(options.folder, 'data')],
      ...['--exec-root', join(options.folder, 'exec'), '--pidfile', join(options.folder, 'pid')],
      ...['--bip', options.bridge, '--iptables=false', '--ip6tables=false', '--ip-masq=false'],
      ...(options.certificates === undefined ? ['--insecure-registry', options.registry] : []),
      ...['--cgroup-parent', options.cgroup],
    ];
  }

  /** Starts the engine, also after it has been killed. */
  async start(): Promise<void> {
    await mkdir(this.#folder, {recursive: true});
    await rm(join(this.#folder, 'pid'), {force: true});
    await rm(join(this.#folder, 'exec'), {recursive: true, force: true});
    // A containerd of the machine would keep the containers alive: this engine is to start one of its own.
    const script = `
      mkdir -p /run/containerd /etc/docker
      mount -t tmpfs tmpfs /run/containerd
      mount -t tmpfs tmpfs /etc/docker
      name=$1 certificates=$2
      shift 2
      [ -z "$certificates" ] || cp -R "$certificates" /etc/docker/certs.d
      hostname "$name"
      exec dockerd "$@"`;
    this.#process = spawn(
      'nsenter',
      [
        `--net=/run/netns/${this.#namespace}`,
        ...['unshare', '--mount', '--uts', '--pid', '--fork', '--kill-child=SIGKILL', '--mount-proc'],
        ...['sh', '-euc', script, 'sh', this.name, this.#certificates ?? '', ...this.#arguments],
      ],
      {stdio: ['ignore', 'pipe', 'pipe'], env: {PATH: process.env['PATH'] ?? '', HOME: this.#folder}},
    );
    for (const output of [this.#process.stdout, this.#process.stderr]) {
      output?.on('data', (text: Buffer) => (this.#log = (this.#log + text.toString()).slice(-4000)));
    }
    await until(`the engine ${this.name}`, async () => {
      if (this.#process?.exitCode !== null) throw new Error(`${this.name} ended:\n${this.#log}`);
      return this.docker.ping().then(
        () => true,
        () => undefined,
      );
    });
  }

  /** Kills the engine with everything that it has started, as if its machine had lost its power. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'close');
    child.kill('SIGKILL');
    await gone;
  }
}

/** A registry of Debian's `docker-registry`, as a process. */
export class PrivateRegistry {
  readonly host: string;
  readonly #folder: string;
  readonly #tls: CertificateFiles | undefined;
  #process: ChildProcess | undefined;

  constructor(host: string, folder: string, tls: CertificateFiles | undefined) {
    this.host = host;
    this.#folder = folder;
    this.#tls = tls;
  }

  async start(): Promise<void> {
    const config = {
      version: 0.1,
      log: {accesslog: {disabled: true}, level: 'error'},
      storage: {filesystem: {rootdirectory: join(this.#folder, 'storage')}, delete: {enabled: true}},
      http: {addr: this.host, secret: 'test', ...(this.#tls && {tls: this.#tls})},
    };
    await mkdir(this.#folder, {recursive: true});
    // JSON is YAML.
    await writeFile(join(this.#folder, 'config.yml'), JSON.stringify(config));
    this.#process = spawn('docker-registry', ['serve', join(this.#folder, 'config.yml')], {stdio: 'ignore'});
    // Whoever speaks to it looks at its certificate; this only waits until there is one.
    const asking = this.#tls === undefined ? get : getSecurely;
    const url = `${this.#tls === undefined ? 'http' : 'https'}://${this.host}/v2/`;
    await until('the registry', async () => {
      const request = asking(url, {rejectUnauthorized: false, agent: false});
      return once(request, 'response').then(
        () => (request.destroy(), true),
        () => undefined,
      );
    });
  }

  async stop(): Promise<void> {
    const child = this.#process;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'close');
    child.kill('SIGKILL');
    await gone;
  }
}

/**
 * A swarm of private engines with a registry, on this machine (needs root): network namespaces, linked by a bridge.
 * Disposing of it removes all of that.
 */
export class PrivateSwarm implements AsyncDisposable {
  readonly nodes: readonly PrivateNode[];
  readonly registry: PrivateRegistry;
  /** A folder like Docker's `certs.d`, where its registry speaks TLS with a certificate that nobody else knows. */
  readonly certificates: string | undefined;
  readonly #folder: string;
  readonly #id: string;
  readonly #cgroup: string;

  private constructor(
    id: string,
    folder: string,
    nodes: readonly PrivateNode[],
    registry: PrivateRegistry,
    certificates: string | undefined,
  ) {
    this.certificates = certificates;
    this.#id = id;
    this.#folder = folder;
    this.#cgroup = `/hypriotkit-test-${id}`;
    this.nodes = nodes;
    this.registry = registry;
  }

  /** The first engine is the manager. */
  static async start(count: number, {tls = false} = {}): Promise<PrivateSwarm> {
    const id = randomBytes(3).toString('hex');
    const folder = await mkdtemp(join(tmpdir(), 'hypriotkit-swarm-'));
    const network = `10.${randomInt(130, 250)}`;
    const host = `${network}.0.1:${await freePort()}`;
    const certificates = tls ? join(folder, 'certs.d') : undefined;
    const certificate =
      certificates === undefined ? undefined : await issueCertificate(folder, certificates, host);
    const nodes = Array.from({length: count}, (_, index) => {
      const number = index + 1;
      return new PrivateNode({
        name: `node-${number}`,
        namespace: `hk${id}n${number}`,
        address: `${network}.0.${10 + number}`,
        bridge: `${network}.${number}.1/24`,
        registry: host,
        certificates,
        folder: join(folder, `node-${number}`),
        cgroup: `/hypriotkit-test-${id}`,
      });
    });
    const registry = new PrivateRegistry(host, join(folder, 'registry'), certificate);
    const swarm = new PrivateSwarm(id, folder, nodes, registry, certificates);
    try {
      await swarm.#link(network);
      await Promise.all([swarm.registry.start(), ...nodes.map((node) => node.start())]);
      await swarm.#join();
      return swarm;
    } catch (error) {
      await swarm[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The end of its bridge on this machine, and the network of all that is behind it. */
  get link(): {readonly device: string; readonly network: string} {
    const [first = '', second = ''] = this.manager.address.split('.');
    return {device: `hk${this.#id}`, network: `${first}.${second}.0.0/16`};
  }

  get manager(): PrivateNode {
    const [manager] = this.nodes;
    if (manager === undefined) throw new Error('a swarm has at least one node');
    return manager;
  }

  node(index: number): PrivateNode {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`there is no node ${index}`);
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.registry.stop(), ...this.nodes.map((node) => node.kill())]);
    // Links and routes go with the namespaces that they lead to.
    for (const name of this.#namespaces) await run('ip', ['netns', 'delete', name]).catch(() => undefined);
    await run('ip', ['link', 'delete', `hk${this.#id}`]).catch(() => undefined);
    await rm(this.#folder, {recursive: true, force: true});
    await removeCgroups(this.#cgroup);
  }

  /** Those of the engines, and one for the bridge that links them. */
  get #namespaces(): readonly string[] {
    return ['s', ...this.nodes.map((_, index) => `n${index + 1}`)].map((end) => `hk${this.#id}${end}`);
  }

  /**
   * A bridge with a link to this machine and into the namespace of each engine, and routes to their containers. It has a
   * namespace of its own: what an engine of this machine forbids to forward would count for its bridges, too.
   */
  async #link(network: string): Promise<void> {
    const name = `hk${this.#id}`;
    const middle = `${name}s`;
    for (const namespace of this.#namespaces) await run('ip', ['netns', 'add', namespace]);
    await run('ip', ['-n', middle, 'link', 'add', 'bridge', 'type', 'bridge']);
    await run('ip', ['-n', middle, 'link', 'set', 'bridge', 'up']);
    await run('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', 'here', 'netns', middle]);
    await run('ip', ['-n', middle, 'link', 'set', 'here', 'master', 'bridge', 'up']);
    await run('ip', ['address', 'add', `${network}.0.1/24`, 'dev', name]);
    await run('ip', ['link', 'set', name, 'up']);
    for (const [index, {address}] of this.nodes.entries()) {
      const namespace = `${name}n${index + 1}`;
      const inside = ['-n', namespace];
      const link = [
        'link',
        'add',
        `node${index + 1}`,
        'type',
        'veth',
        'peer',
        'name',
        'swarm0',
        'netns',
        namespace,
      ];
      await run('ip', ['-n', middle, ...link]);
      await run('ip', ['-n', middle, 'link', 'set', `node${index + 1}`, 'master', 'bridge', 'up']);
      await run('ip', [...inside, 'link', 'set', 'lo', 'up']);
      await run('ip', [...inside, 'address', 'add', `${address}/24`, 'dev', 'swarm0']);
      await run('ip', [...inside, 'link', 'set', 'swarm0', 'up']);
      await run('ip', [...inside, 'route', 'add', 'default', 'via', `${network}.0.1`]);
      await run('ip', ['route', 'add', `${network}.${index + 1}.0/24`, 'via', address]);
    }
  }

  async #join(): Promise<void> {
    const {docker, address} = this.manager;
    await docker.swarmInit({
      ListenAddr: `${address}:2377`,
      AdvertiseAddr: address,
      ForceNewCluster: false,
      // The usual five seconds make it a quarter of a minute until a dead node is missed.
      Spec: {Dispatcher: {HeartbeatPeriod: 1e9}},
    });
    const {JoinTokens: tokens} = (await docker.swarmInspect()) as {JoinTokens: {Worker: string}};
    for (const node of this.nodes.slice(1)) {
      await node.docker.swarmJoin({
        ListenAddr: `${node.address}:2377`,
        AdvertiseAddr: node.address,
        RemoteAddrs: [`${address}:2377`],
        JoinToken: tokens.Worker,
      });
    }
    await until('all nodes', async () => {
      const nodes = (await docker.listNodes()) as {Status?: {State?: string}}[];
      return nodes.filter(({Status}) => Status?.State === 'ready').length === this.nodes.length || undefined;
    });
  }
}

async function issueCertificate(
  folder: string,
  certificates: string,
  host: string,
): Promise<CertificateFiles> {
  const authority = await TestAuthority.create(join(folder, 'authority'), 'swarm');
  await authority.trustIn(certificates, host);
  return authority.issue('registry', `IP:${host.replace(/:\d+$/, '')}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await once(server, 'listening');
  const {port} = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The kernel removes a control group only when it is empty; those of killed containers stay behind. */
async function removeCgroups(name: string): Promise<void> {
  const root = '/sys/fs/cgroup';
  const hierarchies = ['', ...(await readdir(root).catch(() => []))];
  for (const hierarchy of hierarchies) {
    const top = join(root, hierarchy, name);
    const below = await readdir(top, {withFileTypes: true}).catch(() => []);
    for (const entry of below)
      if (entry.isDirectory()) await rmdir(join(top, entry.name)).catch(() => undefined);
    if (below.length > 0) await rmdir(top).catch(() => undefined);
  }
}
