import {spawn} from 'node:child_process';
import {chmod, cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {delimiter, dirname, join} from 'node:path';
import {existsSync} from 'node:fs';
import {fileURLToPath} from 'node:url';

const project = fileURLToPath(new URL('../../../', import.meta.url));

/** What the launcher may use of the real system; everything else is absent unless a test makes a stub of it. */
const realTools =
  'sh cat cksum date dirname env find grep head id ln ls mkdir mv nohup ps readlink rm rmdir sed setsid sleep sort tail'.split(
    ' ',
  );

/** Stubs write what they were called with, and when, into this file; so does the engine that a test plays. */
const callsFile = 'calls.log';

export interface LauncherRun {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
  /** The command lines of the stubs, in order. */
  readonly calls: readonly string[];
}

/** A checkout and a machine in a temporary folder: its own PATH, its own /var and /run, stubs for what changes it. */
export class LauncherRig implements AsyncDisposable {
  readonly folder: string;
  readonly checkout: string;
  readonly bin: string;
  readonly sysroot: string;
  readonly env: Record<string, string>;

  private constructor(folder: string) {
    this.folder = folder;
    this.checkout = join(folder, 'checkout');
    this.bin = join(folder, 'bin');
    this.sysroot = join(folder, 'system');
    this.env = {
      PATH: this.bin,
      HOME: join(folder, 'home'),
      TMPDIR: folder,
      HYPRIOTKIT_SYSROOT: this.sysroot,
      HYPRIOTKIT_ENGINE_TIMEOUT: '20',
    };
  }

  static async create(): Promise<LauncherRig> {
    const rig = new LauncherRig(await realpath(await mkdtemp(join(tmpdir(), 'hypriotkit-launcher-'))));
    for (const path of ['bin', 'home', 'system/var/run', 'system/var/log', 'checkout/cli', 'checkout/api']) {
      await mkdir(join(rig.folder, path), {recursive: true});
    }
    for (const file of ['hypriotkit', 'cli/lock.sh', 'cli/prepare.sh', 'cli/setup.sh']) {
      await cp(join(project, file), join(rig.checkout, file));
    }
    await rig.write('checkout/package-lock.json', '{}');
    await rig.write('checkout/package.json', '{"type": "module"}');
    await rig.write('checkout/tsconfig.json', '{}');
    await rig.write('checkout/tsconfig.build.json', '{}');
    await rig.write('checkout/cli/main.ts', '// one');
    for (const folder of ['configs', 'volumes']) await mkdir(join(rig.checkout, folder));
    for (const tool of realTools) await rig.link(tool);
    await symlink(process.execPath, join(rig.bin, 'node'));
    await rig.stub(
      'npm',
      `case $1 in
        ci) rm -rf node_modules; mkdir node_modules ;;
        run) eval "out=\\\${$#}"; mkdir -p "$out/cli"
          echo 'console.log(JSON.stringify(process.argv.slice(2)))' >"$out/cli/main.js" ;;
      esac`,
    );
    return rig;
  }

  async write(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.folder, path)), {recursive: true});
    await writeFile(join(this.folder, path), text);
  }

  /** Adds a command that records its call and then does `body`. */
  async stub(name: string, body = ''): Promise<void> {
    const file = join(this.bin, name);
    const log = join(this.folder, callsFile);
    // A link to the real command may lie here: writing through it would replace the machine's own.
    await rm(file, {force: true});
    // The shell by its real path: the PATH of the rig is not there yet when the kernel reads this line.
    await writeFile(file, `#!/bin/sh\necho "${name} $*" >>'${log}'\necho "[${name} $*]" >&2\n${body}\n`);
    await chmod(file, 0o755);
  }

  /** A body for a stub of a daemon: an engine that answers on the socket of this machine. */
  get engineBody(): string {
    const server = `require('node:http').createServer((q, r) => r.end('OK')).listen(process.argv[1]);
      require('node:fs').writeFileSync(process.argv[2], String(process.pid));
      setTimeout(() => process.exit(), 30000)`;
    return `exec node -e "${server}" '${this.socket}' '${join(this.folder, 'engine.pid')}'`;
  }

  get socket(): string {
    return join(this.sysroot, 'var/run/docker.sock');
  }

  async run(...argv: string[]): Promise<LauncherRun> {
    return this.runFile(join(this.checkout, 'hypriotkit'), ...argv);
  }

  async runFile(file: string, ...argv: string[]): Promise<LauncherRun> {
    await writeFile(join(this.folder, callsFile), '');
    const result = await this.start(file, ...argv);
    const calls = await readFile(join(this.folder, callsFile), 'utf8');
    return {...result, calls: calls.split('\n').filter((line) => line !== '')};
  }

  start(file: string, ...argv: string[]): Promise<Omit<LauncherRun, 'calls'>> {
    const child = spawn(file, argv, {env: this.env, stdio: ['ignore', 'pipe', 'pipe']});
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (exitCode) => {
        resolve({stdout, stderr, exitCode});
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const pid = await readFile(join(this.folder, 'engine.pid'), 'utf8').catch(() => '');
    if (pid !== '') {
      try {
        process.kill(Number(pid));
      } catch {
        // It has ended by itself.
      }
    }
    await rm(this.folder, {recursive: true, force: true});
  }

  async link(tool: string): Promise<void> {
    const folders = (process.env['PATH'] ?? '').split(delimiter);
    const found = folders.map((folder) => join(folder, tool)).find((path) => existsSync(path));
    if (found === undefined) throw new Error(`the test needs ${tool}`);
    await symlink(found, join(this.bin, tool));
  }
}
