import {spawn} from 'node:child_process';
import {open, readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {fileURLToPath} from 'node:url';
import {VolumeScriptError, type LargeFileHost} from '../../../volumes/volume-host.ts';

const project = fileURLToPath(new URL('../../../', import.meta.url));

/** Where the base image has its programs, and where they lie in the checkout. */
const programs = ['/usr/lib/hypriotkit/', join(project, 'build-images/base_image/lib/')] as const;

/** A volume that is a folder of this machine; scripts run in this machine's `sh`. */
export class LocalVolumeHost implements LargeFileHost {
  readonly label: string;
  readonly folder: string;
  readonly #env: NodeJS.ProcessEnv;

  /** @param tools a folder whose programs are found before those of the system. */
  constructor(folder: string, tools?: string) {
    this.label = folder;
    this.folder = folder;
    this.#env = {
      ...process.env,
      LC_ALL: 'C',
      PATH: tools === undefined ? process.env['PATH'] : `${tools}:${process.env['PATH'] ?? ''}`,
    };
  }

  async run(script: string, args: readonly string[]): Promise<string> {
    const stdout: Buffer[] = [];
    await this.stream(['sh', '-c', script, 'sh', ...args], (chunk) => void stdout.push(chunk));
    return Buffer.concat(stdout).toString('utf8');
  }

  async runWithInput(script: string, args: readonly string[], input: AsyncIterable<Buffer>): Promise<string> {
    const stdout: Buffer[] = [];
    await this.stream(['sh', '-c', script, 'sh', ...args], (chunk) => void stdout.push(chunk), input);
    return Buffer.concat(stdout).toString('utf8');
  }

  async stream(
    [program = '', ...args]: readonly string[],
    onChunk: (chunk: Buffer) => Promise<void> | void,
    input?: AsyncIterable<Buffer>,
  ): Promise<void> {
    const child = spawn(
      program,
      args.map((arg) => (arg.startsWith(programs[0]) ? arg.replace(...programs) : arg)),
      {cwd: this.folder, env: this.#env, stdio: ['pipe', 'pipe', 'pipe']},
    );
    const sent = pipeline(Readable.from(input ?? []), child.stdin).catch(() => undefined);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const closed = new Promise<number>((resolve, reject) => {
      child.once('error', reject).once('close', (status) => resolve(status ?? -1));
    });
    for await (const chunk of child.stdout) await onChunk(chunk as Buffer);
    await sent;
    const status = await closed;
    if (status !== 0) throw new VolumeScriptError(status, stderr);
  }

  /** As if on another machine, unless a test says something else. */
  near: string | undefined;

  rootFolder(): Promise<string | undefined> {
    return Promise.resolve(this.near);
  }

  async writeFile(path: string, content: string): Promise<void> {
    await writeFile(join(this.folder, path), content);
  }

  async readFile<T>(path: string, read: (content: Readable) => Promise<T>): Promise<T | undefined> {
    const handle = await open(join(this.folder, path)).catch(() => undefined);
    return handle && (await read(handle.createReadStream()));
  }

  async readFolder(path: string): Promise<ReadonlyMap<string, Buffer>> {
    const folder = join(this.folder, path);
    const found = await readdir(folder, {withFileTypes: true}).catch(() => []);
    const files = found.filter((entry) => entry.isFile()).map((entry) => entry.name);
    return new Map(
      await Promise.all(files.map(async (name) => [name, await readFile(join(folder, name))] as const)),
    );
  }
}
