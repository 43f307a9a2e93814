import {execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {createServer, connect, type Server, type Socket} from 'node:net';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';

/** Files of a commit by path. */
export type Tree = Readonly<Record<string, string>>;

/** A git repository in a scratch folder, for tests to fetch from. */
export class ScratchRepository {
  readonly folder: string;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'hypriotkit-git-'));
    this.git('init', '--quiet', '--initial-branch=main');
    this.git('config', 'uploadpack.allowFilter', 'true');
    this.git('config', 'uploadpack.allowAnySHA1InWant', 'true');
  }

  get url(): string {
    return `file://${this.folder}`;
  }

  git(...args: string[]): string {
    return execFileSync('git', args, {
      cwd: this.folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        GIT_AUTHOR_NAME: 'A',
        GIT_AUTHOR_EMAIL: 'a@example.org',
        GIT_COMMITTER_NAME: 'A',
        GIT_COMMITTER_EMAIL: 'a@example.org',
        GIT_AUTHOR_DATE: '2026-01-02T03:04:05Z',
        GIT_COMMITTER_DATE: '2026-01-02T03:04:05Z',
      },
    }).trim();
  }

  /** @returns the id of the new commit. */
  commit(tree: Tree): string {
    for (const [path, content] of Object.entries(tree)) {
      mkdirSync(dirname(join(this.folder, path)), {recursive: true});
      writeFileSync(join(this.folder, path), content, {mode: content.startsWith('#!') ? 0o755 : 0o644});
    }
    this.git('add', '--all');
    this.git('commit', '--quiet', '--message=a commit');
    return this.git('rev-parse', 'HEAD');
  }

  remove(): void {
    rmSync(this.folder, {recursive: true, force: true});
  }
}

/** Serves a repository by git's own protocol on loopback, through a door that can be shut on a running transfer. */
export class GitServer {
  readonly url: string;
  readonly #daemon: ReturnType<typeof spawn>;
  readonly #door: Server;
  readonly #limit: {bytes: number};

  private constructor(url: string, daemon: ReturnType<typeof spawn>, door: Server, limit: {bytes: number}) {
    this.url = url;
    this.#daemon = daemon;
    this.#door = door;
    this.#limit = limit;
  }

  static async start(repository: ScratchRepository): Promise<GitServer> {
    const port = await freePort();
    const daemon = spawn(
      'git',
      [
        'daemon',
        '--listen=127.0.0.1',
        `--port=${port}`,
        '--export-all',
        '--reuseaddr',
        `--base-path=${repository.folder}`,
      ],
      {stdio: 'ignore'},
    );
    const limit = {bytes: Infinity};
    const door = createServer((client) => {
      const server = connect(port, '127.0.0.1');
      server.on('data', (chunk) => {
        limit.bytes -= chunk.length;
        if (limit.bytes < 0) client.destroy();
      });
      for (const socket of [client, server]) socket.on('error', () => undefined);
      client.on('close', () => server.destroy());
      client.pipe(server).pipe(client);
    });
    door.listen(0, '127.0.0.1');
    await once(door, 'listening');
    await untilAnswers(port);
    const address = door.address() as {port: number};
    return new GitServer(`git://127.0.0.1:${address.port}/`, daemon, door, limit);
  }

  /** Lets so many more bytes out and then cuts every connection. */
  cutAfter(bytes: number): void {
    this.#limit.bytes = bytes;
  }

  /** What is left of that. */
  get remainingBytes(): number {
    return this.#limit.bytes;
  }

  async stop(): Promise<void> {
    this.#door.close();
    // git-daemon is a program of its own that `git` starts.
    this.#daemon.kill();
    await once(this.#daemon, 'exit');
  }
}

async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const {port} = probe.address() as {port: number};
  probe.close();
  return port;
}

async function untilAnswers(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const socket: Socket = connect(port, '127.0.0.1');
    const answered = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('git daemon does not answer');
}
