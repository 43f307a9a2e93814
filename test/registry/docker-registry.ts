import {spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

export interface DockerRegistryOptions {
  /** Of an earlier one that has ended. */
  readonly folder?: string;
  /** Files of a certificate; `clients`: of the authority whose certificates everybody has to show. */
  readonly tls?: {readonly certificate: string; readonly key: string; readonly clients?: string};
  /** Its section `auth`: htpasswd, token. */
  readonly auth?: object;
}

/** Debian's docker-registry on a port of this machine, with a folder of its own. */
export class DockerRegistry implements AsyncDisposable {
  readonly folder: string;
  readonly host: string;
  readonly #process: ChildProcess;

  private constructor(folder: string, host: string, process: ChildProcess) {
    this.folder = folder;
    this.host = host;
    this.#process = process;
  }

  static async start({folder, tls, auth}: DockerRegistryOptions = {}): Promise<DockerRegistry> {
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
    const child = spawn('docker-registry', ['serve', config], {stdio: ['ignore', 'ignore', 'pipe']});
    const host = await new Promise<string>((resolve, reject) => {
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        const [, address] = /listening on (127\.0\.0\.1:\d+)/.exec(said) ?? [];
        if (address !== undefined) resolve(address);
      });
      child.once('error', reject).once('exit', () => reject(new Error(`docker-registry ended: ${said}`)));
    });
    return new DockerRegistry(root, host, child);
  }

  /** Ends it; what it keeps stays. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill();
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.folder, {recursive: true, force: true});
  }
}
