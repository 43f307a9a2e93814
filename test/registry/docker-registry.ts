import {spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

export interface DockerRegistryOptions {
  /** Where it keeps everything; stays when it ends. By default one of its own. */
  readonly folder?: string;
  /** Files of a certificate; `clients`: of the authority whose certificates everybody has to show. */
  readonly tls?: {readonly certificate: string; readonly key: string; readonly clients?: string};
  /** Its section `auth`: htpasswd, token. */
  readonly auth?: object;
  /** Variables that say what its configuration leaves open. */
  readonly env?: Readonly<Record<string, string>>;
  /** How much fits on its disk. */
  readonly diskBytes?: number;
}

/** Debian's docker-registry on a port of this machine, with a folder of its own. */
export class DockerRegistry implements AsyncDisposable {
  readonly folder: string;
  readonly host: string;
  readonly #process: ChildProcess;
  readonly #keep: boolean;

  private constructor(folder: string, host: string, process: ChildProcess, keep: boolean) {
    this.folder = folder;
    this.host = host;
    this.#process = process;
    this.#keep = keep;
  }

  static async start({
    folder,
    tls,
    auth,
    env,
    diskBytes,
  }: DockerRegistryOptions = {}): Promise<DockerRegistry> {
    const root = folder ?? (await mkdtemp(join(tmpdir(), 'hypriotkit-test-registry-')));
    const config = join(root, 'config.yml');
    await writeFile(
      config,
      JSON.stringify({
        version: '0.1',
        log: {level: 'info'},
        storage: {filesystem: {rootdirectory: join(root, 'data')}, delete: {enabled: true}},
        http: {
          addr: '127.0.0.1:0',
          ...(tls && {
            tls: {
              certificate: tls.certificate,
              key: tls.key,
              ...(tls.clients !== undefined && {clientcas: [tls.clients]}),
            },
          }),
        },
        ...(auth && {auth}),
      }),
    );
    const command =
      diskBytes === undefined ? ['docker-registry', 'serve', config] : onDisk(diskBytes, root, config);
    const [program = '', ...rest] = command;
    const child = spawn(program, rest, {stdio: ['ignore', 'ignore', 'pipe'], env: {...process.env, ...env}});
    const host = await new Promise<string>((resolve, reject) => {
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        const [, address] = /listening on (127\.0\.0\.1:\d+)/.exec(said) ?? [];
        if (address !== undefined) resolve(address);
      });
      child.once('error', reject).once('exit', () => reject(new Error(`docker-registry ended: ${said}`)));
    });
    return new DockerRegistry(root, host, child, folder !== undefined);
  }

  /** Ends it as a power cut would; what it keeps stays. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    if (!this.#keep) await rm(this.folder, {recursive: true, force: true});
  }
}

/** The same on a disk in memory, which nobody else sees. */
function onDisk(sizeBytes: number, root: string, config: string): readonly string[] {
  const script =
    'mkdir "$1/data" && mount -t tmpfs -o size="$0" tmpfs "$1/data" && exec docker-registry serve "$2"';
  const asRoot = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  return ['unshare', ...asRoot, '--mount', 'sh', '-euc', script, String(sizeBytes), root, config];
}
