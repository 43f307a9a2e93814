import {execFileSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import {appendFile, mkdir, rm, symlink, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {LauncherRig} from './launcher-rig.ts';

const npmCi = 'npm ci --ignore-scripts --include=dev --loglevel=error';
const npmBuild = (rig: LauncherRig) => `npm run -s build -- --outDir ${rig.checkout}/.launcher/dist`;

describe('the launcher', {timeout: 30_000}, () => {
  it('installs and compiles in a fresh clone, says so, and runs the command', async () => {
    await using rig = await LauncherRig.create();
    const first = await rig.run('build', '--target', './my out');
    expect(first.calls).toEqual([npmCi, npmBuild(rig)]);
    expect(first.stderr).toContain('hypriotkit: installing npm packages: npm ci --ignore-scripts\n');
    expect(first.stderr).toContain('hypriotkit: compiling: npm run build\n');
    expect(first.stdout).toBe('["build","--target","./my out"]\n');
    expect(first.exitCode).toBe(0);
  });

  it('does neither a second time, whatever the file times say', async () => {
    await using rig = await LauncherRig.create();
    await rig.run('build');
    await utimes(join(rig.checkout, 'cli/main.ts'), new Date(), new Date());
    await utimes(join(rig.checkout, 'package-lock.json'), new Date(), new Date());
    const second = await rig.run('build');
    expect(second).toEqual({stdout: '["build"]\n', stderr: '', exitCode: 0, calls: []});
  });

  it('compiles again after a change, a new file, a renamed file and new compiler settings', async () => {
    await using rig = await LauncherRig.create();
    await rig.run('build');
    const changes = [
      () => appendFile(join(rig.checkout, 'cli/main.ts'), '// two'),
      () => writeFile(join(rig.checkout, 'api/new.ts'), '// new'),
      () =>
        rm(join(rig.checkout, 'api/new.ts')).then(() =>
          writeFile(join(rig.checkout, 'api/other.ts'), '// new'),
        ),
      () => writeFile(join(rig.checkout, 'tsconfig.json'), '{"strict": true}'),
    ];
    for (const change of changes) {
      await change();
      expect((await rig.run('build')).calls).toEqual([npmBuild(rig)]);
    }
  });

  it('installs again when the lock file has changed', async () => {
    await using rig = await LauncherRig.create();
    await rig.run('build');
    await writeFile(join(rig.checkout, 'package-lock.json'), '{"changed": true}');
    expect((await rig.run('build')).calls).toEqual([npmCi]);
  });

  it('fails and keeps what there was when the sources do not compile', async () => {
    await using rig = await LauncherRig.create();
    await rig.run('build');
    await appendFile(join(rig.checkout, 'cli/main.ts'), '// broken');
    await rig.stub('npm', 'exit 1');
    const {stderr, exitCode} = await rig.run('build');
    expect(stderr).toContain('hypriotkit: the sources do not compile\n');
    expect(exitCode).toBe(2);
    expect(existsSync(join(rig.checkout, 'dist/cli/main.js'))).toBe(true);
    expect(existsSync(join(rig.checkout, '.launcher/lock'))).toBe(false);
  });

  it('does the work once when two start at the same time', async () => {
    await using rig = await LauncherRig.create();
    const launcher = join(rig.checkout, 'hypriotkit');
    const [one, two] = await Promise.all([rig.start(launcher, 'one'), rig.start(launcher, 'two')]);
    expect([one.stdout, two.stdout]).toEqual(['["one"]\n', '["two"]\n']);
    expect(`${one.stderr}${two.stderr}`.match(/installing npm packages/g)).toHaveLength(1);
    expect(`${one.stderr}${two.stderr}`.match(/compiling: /g)).toHaveLength(1);
  });

  it('takes over the lock of a process that is gone', async () => {
    await using rig = await LauncherRig.create();
    await mkdir(join(rig.checkout, '.launcher/lock'), {recursive: true});
    // A number that no process can have.
    await writeFile(join(rig.checkout, '.launcher/lock/owner'), '99999999\n');
    const {stdout, stderr} = await rig.run('build');
    expect(stdout).toBe('["build"]\n');
    expect(stderr).not.toContain('waiting');
  });

  it('waits for a living process and says for which', async () => {
    await using rig = await LauncherRig.create();
    const lock = join(rig.checkout, '.launcher/lock');
    await mkdir(lock, {recursive: true});
    await writeFile(join(lock, 'owner'), `${process.pid}\n`);
    const run = rig.run('build');
    setTimeout(() => void rm(lock, {recursive: true}), 700);
    const {stdout, stderr} = await run;
    expect(stderr).toContain(`waiting for another hypriotkit (process ${process.pid}), busy with`);
    expect(stdout).toBe('["build"]\n');
  });

  it('finds its folder through symbolic links', async () => {
    await using rig = await LauncherRig.create();
    await symlink('../checkout/hypriotkit', join(rig.bin, 'kit'));
    await symlink(join(rig.bin, 'kit'), join(rig.folder, 'link'));
    expect((await rig.runFile(join(rig.folder, 'link'), 'status')).stdout).toBe('["status"]\n');
  });

  it('neither installs nor compiles in an npm package', async () => {
    await using rig = await LauncherRig.create();
    await rm(join(rig.checkout, 'tsconfig.build.json'));
    await rig.write('checkout/dist/cli/main.js', 'console.log("packed")');
    expect(await rig.run('build')).toEqual({stdout: 'packed\n', stderr: '', exitCode: 0, calls: []});
  });

  it.each([
    ['v18.20.4', 'Node.js 20 or newer is needed, found v18.20.4'],
    ['', 'Node.js 20 or newer is needed and was not found'],
  ])('wants Node 20, not "%s"', async (version, message) => {
    await using rig = await LauncherRig.create();
    await rm(join(rig.bin, 'node'));
    if (version !== '') await rig.stub('node', `echo ${version}`);
    const {stderr, exitCode} = await rig.run('build');
    expect(stderr).toContain(message);
    expect(stderr).toContain('apt-get install -y nodejs npm');
    expect(exitCode).toBe(2);
  });

  it('wants npm', async () => {
    await using rig = await LauncherRig.create();
    await rm(join(rig.bin, 'npm'));
    const {stderr, exitCode} = await rig.run('build');
    expect(stderr).toContain('npm is needed and was not found; on Debian and Ubuntu: apt-get install -y npm');
    expect(exitCode).toBe(2);
  });
});

// test/run installs it where it is missing.
it('the scripts pass shellcheck', () => {
  const files = ['hypriotkit', 'cli/lock.sh', 'cli/prepare.sh', 'cli/setup.sh'];
  expect(execFileSync('shellcheck', ['-x', ...files], {encoding: 'utf8'})).toBe('');
});
