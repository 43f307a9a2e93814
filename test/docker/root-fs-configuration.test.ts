import {mkdir, mkdtemp, rm, symlink, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {rootFsSteps} from '../../api/components/root-fs.ts';
import type {Step} from '../../api/components/step.ts';
import {builtinBuildImages} from '../../api/engine/build-image.ts';
import {loadConfigs} from '../../configs/load-config.ts';
import {sshKeyLine} from '../unit/configs/ssh-keys.ts';
import {inVolume} from './engine.ts';
import {Rig, shellStep, type RunOptions} from './rig.ts';

/** A root file system of the few programs that these tests need, in the place of Debian's packages. */
const smallRoot = `
root=$(mktemp -d)
for program in sh cat id; do
  path=/usr/bin/$program
  cp -L --parents "$path" "$root"
  ldd "$path" | grep -o '/[^ ]*' | while read -r library; do cp -L --parents "$library" "$root" 2>/dev/null || :; done
done
mkdir -p "$root/bin" "$root/etc/skel" "$root/usr/lib" "$root/usr/sbin" "$root/usr/share/doc" "$root/usr/share/locale" "$root/usr/share/zoneinfo/Europe" \\
  "$root/var/lib/dpkg" "$root/var/log" "$root/tmp" "$root/usr/share/X11/xkb/rules"
[ -e "$root/bin/sh" ] || ln -s ../usr/bin/sh "$root/bin/sh"
ln -s /run "$root/var/run"
cp /etc/passwd /etc/group /etc/shadow /etc/gshadow "$root/etc/"
cp /usr/lib/os-release "$root/usr/lib/"
echo profile >"$root/etc/skel/.profile"
: >"$root/var/lib/dpkg/status"
echo zone >"$root/usr/share/zoneinfo/Europe/Berlin"
printf '! layout\\n  de  German\\n! variant\\n  nodeadkeys  de: German (no dead keys)\\n' >"$root/usr/share/X11/xkb/rules/base.lst"
tar -C "$root" -cf - . | zstd -q -3 -o rootfs-packages.tar.zst
: >packages.tsv`;

let folder: string;
let rig: Rig;
const options: RunOptions = {buildImages: builtinBuildImages()};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hypriotkit-test-configuration-'));
  rig = new Rig();
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await rm(folder, {recursive: true});
});

/** The steps that configure a root file system, on the small one. */
async function stepsFor(rootFs: Record<string, unknown>): Promise<Step[]> {
  const target = process.arch === 'arm64' ? 'arm64-debian' : 'amd64';
  await writeFile(join(folder, 'configs.json'), JSON.stringify({root_fs: {target, ...rootFs}}));
  const {components, local} = await loadConfigs({target: folder});
  const packages = shellStep('root_fs.packages', smallRoot, {
    buildImage: 'root_fs',
    outputs: ['rootfs-packages.tar.zst', 'packages.tsv'].map((name) => ({name, delivered: false})),
    memoryBytes: 512 * 1024 ** 2,
  });
  return [packages, ...rootFsSteps(components, local).filter(({name}) => /^root_fs(\.scripts)?$/.test(name))];
}

/** Lines of `tar -tv` and the content of some files of the finished root file system. */
async function build(rootFs: Record<string, unknown>, ...files: string[]) {
  const run = await rig.run(await stepsFor(rootFs), options);
  const outcome = run.outcomes.get('root_fs');
  if (!outcome?.ok) throw new Error(JSON.stringify(outcome));
  const archive = `.hypriotkit/entries/${outcome.entry.fingerprint}/*.tar.gz`;
  const listing = await inVolume(rig.volume, `tar --full-time -tvzf ${archive}`);
  const content = async (file: string) => inVolume(rig.volume, `tar -xOzf ${archive} ./${file}`);
  const lines = new Map(
    listing
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        const [mode = '', owner = '', , , , ...name] = line.split(/ +/);
        return [name.join(' ').replace(/^\.\//, ''), `${mode} ${owner}`] as const;
      }),
  );
  return {lines, contents: await Promise.all(files.map(content)), run, outcome};
}

async function failure(rootFs: Record<string, unknown>, step: string) {
  return rig.fail(await stepsFor(rootFs), step, options);
}

describe('the configuration of a root file system', () => {
  it('has language, clock, keyboard and keys, and no password in clear anywhere', async () => {
    const key = sshKeyLine();
    const {lines, contents} = await build(
      {
        password: 'correct horse',
        locale: 'de_DE.UTF-8',
        timezone: 'Europe/Berlin',
        keyboard: 'de(nodeadkeys)',
        ssh_authorized_keys: [key, key],
      },
      'etc/locale.conf',
      'etc/timezone',
      'etc/default/keyboard',
      'home/pirate/.ssh/authorized_keys',
      'etc/shadow',
    );
    expect(contents.slice(0, 2)).toEqual(['LANG=de_DE.UTF-8\n', 'Europe/Berlin\n']);
    expect(contents[2]).toContain('XKBLAYOUT="de"\nXKBVARIANT="nodeadkeys"');
    expect(contents[3]).toBe(`${key}\n`);
    expect(contents[4]).toMatch(/^pirate:\$6\$[0-9a-f]{16}\$/m);
    expect(lines.get('home/pirate/.ssh/')).toBe('drwx------ 1000/1000');
    expect(lines.get('home/pirate/.ssh/authorized_keys')).toBe('-rw------- 1000/1000');
    expect([...lines.keys()]).toContain('etc/localtime -> ../usr/share/zoneinfo/Europe/Berlin');
    expect([...lines.keys()].some((name) => /^usr\/lib\/locale\/de_DE\.utf8\/LC_TIME$/.test(name))).toBe(
      true,
    );
    expect(await inVolume(rig.volume, `grep -rl 'correct horse' .hypriotkit || true`)).toBe('');
  });

  it.each([
    [{locale: 'de_XX.UTF-8'}, "there is no locale 'de_XX.UTF-8'; of this language there are de_"],
    [{timezone: 'Asia/Tokyo'}, "the root file system has no time zone 'Asia/Tokyo'"],
    [{keyboard: 'fr'}, "there is no keyboard layout 'fr'"],
    [{keyboard: 'de(neo)'}, "the keyboard layout 'de' has no variant 'neo'"],
  ])('names what does not exist: %j', async (fields, message) => {
    expect(await failure(fields, 'root_fs')).toMatchObject({
      reason: 'exited-non-zero',
      message: expect.stringContaining(message) as string,
    });
  });
});

describe('an overlay', () => {
  beforeAll(async () => {
    for (const path of ['etc/service', 'home/pirate/.config', 'var/run/app']) {
      await mkdir(join(folder, 'overlay', path), {recursive: true});
    }
    await writeFile(join(folder, 'overlay/etc/motd'), 'mine\n');
    await writeFile(join(folder, 'overlay/etc/service/start'), '#!/bin/sh\n', {mode: 0o755});
    await writeFile(join(folder, 'overlay/etc/service/secret'), 'secret\n');
    await writeFile(join(folder, 'overlay/home/pirate/.config/app'), 'x\n');
    await writeFile(join(folder, 'overlay/var/run/app/pid'), '1\n');
    await symlink('../nowhere', join(folder, 'overlay/etc/link'));
    await writeFile(
      join(folder, 'overlay/overlay.table'),
      '- pirate:pirate /home/pirate/**\n0640 root:adm /etc/service/**\n0600 0:0 /etc/service/secret\n',
    );
  });

  it('wins over what the configuration writes, with the owners and modes of its table', async () => {
    const {lines, contents} = await build({overlay: 'overlay'}, 'etc/motd', 'home/pirate/.profile');
    expect(contents).toEqual(['mine\n', 'profile\n']);
    expect(Object.fromEntries(lines)).toMatchObject({
      'etc/motd': '-rw-r--r-- 0/0',
      'etc/service/': 'drwxr-xr-x 0/0',
      'etc/service/start': '-rw-r----- 0/4',
      'etc/service/secret': '-rw------- 0/0',
      'etc/link -> ../nowhere': 'lrwxrwxrwx 0/0',
      'home/pirate/.config/': 'drwxr-xr-x 1000/1000',
      'home/pirate/.config/app': '-rw-r--r-- 1000/1000',
      // Through the link of the root file system, and not into the container's own /run.
      'var/run -> /run': 'lrwxrwxrwx 0/0',
      'run/app/pid': '-rw-r--r-- 0/0',
    });
    expect([...lines.keys()]).not.toContain('overlay.table');
  });

  it('with an owner that the system does not have is refused at its line', async () => {
    await mkdir(join(folder, 'strange'), {recursive: true});
    await writeFile(join(folder, 'strange/file'), '');
    await writeFile(join(folder, 'strange/overlay.table'), '\n- nobodyhere:root /file\n');
    expect(await failure({overlay: 'strange'}, 'root_fs')).toMatchObject({
      message: "overlay.table:2 names the user 'nobodyhere', which the root file system does not have",
    });
  });

  it('with a file where the system has a folder is refused', async () => {
    await mkdir(join(folder, 'clash'), {recursive: true});
    await writeFile(join(folder, 'clash/etc'), '');
    expect(await failure({overlay: 'clash'}, 'root_fs')).toMatchObject({
      message: '/etc is a file in the overlay, but a folder in the root file system',
    });
  });
});

describe('scripts', () => {
  it('run in order in the root file system, with the files of the overlay, and without a network', async () => {
    await writeFile(
      join(folder, 'one.sh'),
      '#!/bin/sh\nset -eu\ncat /etc/motd >/etc/one\nid -u >>/etc/one\n',
    );
    await writeFile(
      join(folder, 'two.sh'),
      '#!/bin/sh\necho two; cat /etc/one >/etc/two; echo gone >/tmp/gone\n',
    );
    const scripts = ['one.sh', 'two.sh'];
    const {lines, contents, run} = await build(
      {scripts, overlay: 'overlay'},
      'etc/two',
      'home/pirate/.profile',
    );
    expect(contents).toEqual(['mine\n0\n', 'profile\n']);
    expect([...lines.keys()].filter((name) => name.startsWith('tmp/'))).toEqual(['tmp/']);
    const said = run.events.flatMap((event) =>
      event.type === 'step-output' && event.step === 'root_fs.scripts' ? [event.line] : [],
    );
    expect(said).toEqual(expect.arrayContaining(['Running one.sh', 'Running two.sh', 'two']));
  });

  it('that fail end the step with their name, status and last words', async () => {
    await writeFile(join(folder, 'bad.sh'), '#!/bin/sh\necho working\necho "cannot go on" >&2\nexit 3\n');
    const failed = await failure({scripts: ['bad.sh']}, 'root_fs.scripts');
    expect(failed).toMatchObject({
      code: 'SCRIPT_FAILED',
      message: 'bad.sh ended with exit status 3: cannot go on',
      hint: 'Its output is above.',
    });
    expect('tail' in failed ? failed.tail : []).toContain('working');
  });

  it('without their interpreter are told so', async () => {
    await writeFile(join(folder, 'py.sh'), '#!/usr/bin/python3\n');
    expect(await failure({scripts: ['py.sh']}, 'root_fs.scripts')).toMatchObject({
      message: expect.stringContaining('py.sh ended with exit status 127') as string,
      hint: expect.stringContaining('Is its interpreter') as string,
    });
  });
});
