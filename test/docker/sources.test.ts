import {execFileSync} from 'node:child_process';
import {mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {gunzipSync} from 'node:zlib';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest';
import type {PipelineError} from '../../api/index.ts';
import {build, plan, type BuildOptions} from '../../api/index.ts';
import {Lock} from '../../configs/lock-file.ts';
import {ScratchRepository, type Tree} from '../git/scratch-repository.ts';
import {engine, newVolumeName, removeTestThings, removeVolume} from './engine.ts';

/** What the Dockerfiles of the repositories start from, as Hypriot's do. */
const baseName = 'hypriotkit-test/image-builder:latest';

/** What a repository's build image can be for. */
const ofRepositories = /^hypriotkit\/(?:base_image_repository|root_fs|rpi_bootloader|rpi_sd_image):/;

/** The images that were there before these tests. */
let before: ReadonlySet<string>;
beforeAll(async () => {
  before = new Set((await (await engine()).listImages()).map(({Id: id}) => id));
});

let volume: string;
let target: string;
let repositories: ScratchRepository[];

beforeEach(async () => {
  volume = newVolumeName();
  target = await mkdtemp(join(tmpdir(), 'hypriotkit-test-sources-'));
  repositories = [];
});
afterEach(async () => {
  await removeVolume(volume);
  await rm(target, {recursive: true});
  for (const repository of repositories) repository.remove();
});
afterAll(async () => {
  await removeTestThings();
  // Build images of repositories: no later run asks for these commits again.
  const docker = await engine();
  const images = await docker.listImages({filters: {label: ['org.hypriotkit.image']}});
  for (const {Id: id, RepoTags: tags} of images) {
    if (before.has(id) || !(tags ?? []).some((tag) => ofRepositories.test(tag))) continue;
    for (const tag of tags ?? []) await docker.getImage(tag).remove({force: true});
  }
});

function repositoryOf(tree: Tree): ScratchRepository {
  const repository = new ScratchRepository();
  repositories.push(repository);
  repository.commit(tree);
  return repository;
}

async function configure(configs: object): Promise<void> {
  await writeFile(join(target, 'configs.json'), JSON.stringify(configs));
}

const buildHere = (component: string, options: BuildOptions = {}) =>
  build({target, volume, components: [component], ...options});

/** Names and content of a tarball's files. */
function filesOf(tarball: string): Record<string, string> {
  const file = join(target, tarball);
  const names = execFileSync('tar', ['-tzf', file], {encoding: 'utf8'})
    .split('\n')
    .filter((name) => /[^/]$/.test(name));
  return Object.fromEntries(
    names.map((name) => [name, execFileSync('tar', ['-xzOf', file, name], {encoding: 'utf8'})]),
  );
}

async function lockedSources(): Promise<Lock['sources']> {
  return Lock.parse(JSON.parse(await readFile(join(target, 'hypriotkit.lock'), 'utf8'))).sources;
}

const firmware = {
  'boot/bootcode.bin': 'first stage',
  'boot/start.elf': 'second stage',
  'boot/start4.elf': 'second stage of the 4',
  'boot/fixup.dat': 'memory',
  'boot/kernel8.img': 'a kernel that is not wanted',
  'boot/overlays/disable-bt.dtbo': 'overlay',
  'modules/6.12/x.ko': 'gigabytes of modules',
};

describe('firmware from git', () => {
  it('takes the boot files of the commit, and stays with that commit until it is upgraded', async () => {
    const repository = repositoryOf(firmware);
    const first = repository.git('rev-parse', 'HEAD');
    await configure({rpi_bootloader: {source: 'git', firmware_repo: `${repository.url}#main`}});
    await buildHere('rpi_bootloader');
    expect(filesOf('rpi-bootloader.tar.gz')).toEqual({
      'boot/bootcode.bin': 'first stage',
      'boot/fixup.dat': 'memory',
      'boot/overlays/disable-bt.dtbo': 'overlay',
      'boot/start.elf': 'second stage',
      'boot/start4.elf': 'second stage of the 4',
    });
    expect(await lockedSources()).toEqual({
      'rpi_bootloader.firmware_repo': {repository: repository.url, ref: 'main', commit: first},
    });

    repository.commit({'boot/start.elf': 'newer'});
    const again = await buildHere('rpi_bootloader', {locked: true});
    expect(again.delivered.every(({unchanged}) => unchanged)).toBe(true);
  });

  it('is built anew after a change of the branch, and plan says so', async () => {
    const repository = repositoryOf(firmware);
    const configureRef = (ref: string) =>
      configure({rpi_bootloader: {source: 'git', firmware_repo: `${repository.url}#${ref}`}});
    await configureRef('main');
    await buildHere('rpi_bootloader');
    const before = repository.git('rev-parse', 'HEAD');
    repository.git('checkout', '--quiet', '-b', 'next');
    const next = repository.commit({'boot/start.elf': 'newer'});
    await configureRef('next');
    const {steps} = await plan({target, volume, components: ['rpi_bootloader']});
    expect(steps.find(({step}) => step === 'rpi_bootloader.source')).toMatchObject({
      action: 'run',
      reasons: [`rpi_bootloader.firmware_repo "${before}" → "${next}"`],
    });
    await expect(buildHere('rpi_bootloader', {locked: true})).rejects.toMatchObject({
      code: 'LOCK_DIFFERS',
      message: expect.stringContaining(
        `rpi_bootloader.firmware_repo ${repository.url}#main → ${repository.url}#next`,
      ) as string,
    });
    await buildHere('rpi_bootloader');
    expect(filesOf('rpi-bootloader.tar.gz')).toMatchObject({'boot/start.elf': 'newer'});
  });

  it('says what a repository lacks', async () => {
    const repository = repositoryOf({'boot/README': 'nothing'});
    await configure({rpi_bootloader: {source: 'git', firmware_repo: repository.url}});
    const error = await buildHere('rpi_bootloader').catch((caught: unknown) => caught);
    expect((error as PipelineError).failures).toMatchObject([
      {
        step: 'rpi_bootloader',
        code: 'UNEXPECTED_SOURCE',
        message: 'the firmware repository has no bootcode.bin in the folder that is taken',
      },
    ]);
  });
});

/** As much of a kernel's build system as rpi_kernel uses; what it compiles is one function. */
const kernel = {
  'arch/arm64/configs/bcm2711_defconfig': 'CONFIG_MODULES=y\n',
  'hello.c': 'int main(void) { return 0; }\n',
  Makefile: `R = 6.12.1$(LOCALVERSION)
%_defconfig:
\tcp arch/arm64/configs/$@ .config
olddefconfig:
\tgrep -v REFUSED .config | sort -u >sorted && mv sorted .config
kernelrelease:
\t@echo $(R)
Image:
\tmkdir -p arch/arm64/boot
\t$(CC) -c -o hello.o hello.c
\t$(CROSS_COMPILE)objcopy -O binary -j .text hello.o arch/arm64/boot/Image
dtbs:
\tmkdir -p arch/arm64/boot/dts/broadcom && echo dtb >arch/arm64/boot/dts/broadcom/bcm2711-rpi-4-b.dtb
modules:
modules_install:
\tmkdir -p $(INSTALL_MOD_PATH)/lib/modules/$(R)
\tprintf 'kernel/ext4.ko\\nkernel/bcm2835.ko\\nkernel/sdhci-iproc.ko\\n' >$(INSTALL_MOD_PATH)/lib/modules/$(R)/modules.builtin
`,
};

describe('a kernel from git', () => {
  it('is compiled for arm64 with the configuration that is asked for', async () => {
    const repository = repositoryOf(kernel);
    const rpi_kernel = {source: 'git', kernel_repo: repository.url, branch: 'main'};
    await configure({rpi_kernel: {...rpi_kernel, kernel_config: ['CONFIG_CFS_BANDWIDTH=y']}});
    await buildHere('rpi_kernel');
    expect(await readFile(join(target, '6.12.1-hypriotos.config'), 'utf8')).toBe(
      'CONFIG_CFS_BANDWIDTH=y\nCONFIG_MODULES=y\n',
    );
    const names = execFileSync('tar', ['-tzf', join(target, '6.12.1-hypriotos.tar.gz')], {encoding: 'utf8'});
    for (const name of ['boot/kernel8.img', 'boot/initrd.img', 'boot/bcm2711-rpi-4-b.dtb']) {
      expect(names).toContain(`./${name}\n`);
    }
    // The machine code of arm64 for `mov w0, #0; ret`, at the end of the function.
    const archive = join(target, '6.12.1-hypriotos.tar.gz');
    const image = gunzipSync(execFileSync('tar', ['-xzOf', archive, './boot/kernel8.img']));
    expect(image.toString('hex')).toContain('c0035fd6');

    await configure({rpi_kernel: {...rpi_kernel, kernel_config: ['CONFIG_REFUSED=y']}});
    const error = await buildHere('rpi_kernel').catch((caught: unknown) => caught);
    expect((error as PipelineError).failures).toMatchObject([
      {
        code: 'CONFIG_REFUSED',
        message: 'the kernel does not take "CONFIG_REFUSED=y": it knows no CONFIG_REFUSED',
      },
    ]);
  });
});

/** In the shape of DieterReuter/rpi-bootloader. */
const bootloaderRepository = {
  'images/boot/Dockerfile': `FROM ${baseName}\nWORKDIR /workdir\nCOPY build.sh /workdir/\nCMD ["./build.sh"]\n`,
  'images/boot/build.sh': `#!/bin/sh
set -e
[ "$PWD" = /workdir ] && [ -e /.dockerenv ] && [ "$TIMESTAMP_OUTPUT" = false ] || exit 3
mkdir boot
echo "$FIRMWARE_REPO" >boot/bootcode.bin
cd /builds
tar --mtime @0 --owner 0 --group 0 -C /workdir -cf - boot | gzip -n >rpi-bootloader.tar.gz
sha256sum rpi-bootloader.tar.gz >rpi-bootloader.tar.gz.sha256
`,
};

/** In the shape of hypriot/os-rootfs: a system with a merged /usr. */
const rootFsRepository = {
  Dockerfile: `FROM ${baseName}\nCOPY build.sh /builder/\nCMD ["/builder/build.sh"]\n`,
  'build.sh': `#!/bin/sh
set -e
[ "$QEMU_ARCH/$HYPRIOT_USERNAME" = aarch64/pirate ]
name=rootfs-$BUILD_ARCH-\${VARIANT:-debian}-$HYPRIOT_OS_VERSION.tar.gz
mkdir -p /tree/etc /tree/usr/lib /tree/var/lib/dpkg
ln -s usr/lib /tree/lib
echo "$HYPRIOT_HOSTNAME" >/tree/etc/hostname
printf 'Package: base-files\\nStatus: install ok installed\\nVersion: 1\\nArchitecture: arm64\\n\\n' >/tree/var/lib/dpkg/status
tar --mtime @0 -C /tree -czf "/workspace/$name" .
cd /workspace
sha256sum "$name" >"$name.sha256"
`,
};

/** In the shape of DieterReuter/image-builder-rpi64, without the parts that need a virtual machine. */
const imageRepository = {
  Dockerfile: `FROM ${baseName}\nCOPY build.sh /builder/\nCMD ["/builder/build.sh"]\n`,
  'build.sh': `#!/bin/sh
set -e
cd /workspace
mkdir /build
for artifact in "$ROOT_FS_ARTIFACT" "$KERNEL_ARTIFACT" "$BOOTLOADER_ARTIFACT"; do
  sha256sum -c "$artifact.sha256"
  tar xzf "$artifact" -C /build
done
sha256sum -c "$RAW_IMAGE_ARTIFACT.sha256"
[ "$FETCH_MISSING_ARTIFACTS" = false ]
[ -L /build/lib ] || { echo 'the kernel has replaced /lib' >&2; exit 4; }
[ -d "/build/usr/lib/modules/$KERNEL_VERSION" ]
image=hypriotos-rpi64-$VERSION.img
{ cat /build/etc/hostname /build/boot/bootcode.bin; ls /build/boot/kernel8.img; } >"$image"
zip -q "$image.zip" "$image"
sha256sum "$image.zip" >"$image.zip.sha256"
`,
};

describe('a repository as build image', () => {
  it('stands in for ours, in a folder of its own and under its own commands', async () => {
    const repository = repositoryOf(bootloaderRepository);
    await configure({
      base_image: {image: baseName},
      rpi_bootloader: {repo: `${repository.url}#main:images/boot`},
    });
    await buildHere('rpi_bootloader');
    expect(filesOf('rpi-bootloader.tar.gz')).toEqual({
      'boot/bootcode.bin': 'https://github.com/raspberrypi/firmware\n',
    });
  });

  it('starts from the base image of another repository, under the name that its Dockerfile has', async () => {
    const base = repositoryOf({
      Dockerfile: 'ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN echo from the other base >/etc/origin\n',
    });
    const repository = repositoryOf({
      Dockerfile: `FROM ${baseName}\nCOPY build.sh /\nCMD ["/build.sh"]\n`,
      'build.sh': `#!/bin/sh
set -e
mkdir /x /x/boot && cp /etc/origin /x/boot/bootcode.bin
tar -C /x -czf /builds/rpi-bootloader.tar.gz boot
cd /builds && sha256sum rpi-bootloader.tar.gz >rpi-bootloader.tar.gz.sha256
`,
    });
    await configure({
      base_image: {image: baseName, repo: base.url},
      rpi_bootloader: {repo: repository.url},
    });
    await buildHere('rpi_bootloader');
    expect(filesOf('rpi-bootloader.tar.gz')).toEqual({'boot/bootcode.bin': 'from the other base\n'});

    base.commit({Dockerfile: 'ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN echo newer >/etc/origin\n'});
    await rm(join(target, 'hypriotkit.lock'));
    await buildHere('rpi_bootloader');
    expect(filesOf('rpi-bootloader.tar.gz')).toEqual({'boot/bootcode.bin': 'newer\n'});
  });

  it('consumes what ours make, also where /lib is a link', async () => {
    const [rootFs, boot, image] = [rootFsRepository, bootloaderRepository, imageRepository].map(repositoryOf);
    await configure({
      base_image: {image: baseName},
      root_fs: {repo: rootFs?.url, hostname: 'reef', version: 'v3'},
      rpi_bootloader: {repo: `${boot?.url ?? ''}#main:images/boot`},
      rpi_sd_image: {repo: image?.url, version: 'v9'},
    });
    const {delivered} = await buildHere('rpi_sd_image');
    expect(delivered.map(({name}) => name)).toEqual([
      'hypriotos-rpi64-v9.img.zip',
      'hypriotos-rpi64-v9.img.zip.sha256',
    ]);
    const content = execFileSync('unzip', ['-p', join(target, 'hypriotos-rpi64-v9.img.zip')], {
      encoding: 'utf8',
    });
    expect(content).toBe('reef\nhttps://github.com/raspberrypi/firmware\n/build/boot/kernel8.img\n');
    // Its second run is a hit in every step, though none of this can be pinned but by its commit.
    const {steps} = await plan({target, volume, components: ['rpi_sd_image']});
    expect(steps.filter(({action}) => action === 'run')).toEqual([]);
  });

  it('gets privileges only from who asks for them by name', async () => {
    const repository = repositoryOf({
      ...rootFsRepository,
      Dockerfile: `${rootFsRepository.Dockerfile}LABEL org.hypriotkit.privileges="mounting /proc in a chroot"\n`,
    });
    await configure({base_image: {image: baseName}, root_fs: {repo: repository.url}});
    const error = await buildHere('root_fs').catch((caught: unknown) => caught);
    expect((error as PipelineError).failures).toMatchObject([
      {
        step: 'root_fs',
        message: `${repository.url} asks for privileges: mounting /proc in a chroot`,
        hint: "If you trust it with the engine's machine, add --allow-privileged root_fs.",
      },
    ]);
  });

  it('that fails without privileges says which ones its like needs', async () => {
    const repository = repositoryOf({
      Dockerfile: `FROM ${baseName}\nCMD ["sh", "-c", "mount -t proc proc /mnt"]\n`,
    });
    await configure({base_image: {image: baseName}, root_fs: {repo: repository.url}});
    const error = await buildHere('root_fs').catch((caught: unknown) => caught);
    expect((error as PipelineError).failures).toMatchObject([
      {
        reason: 'exited-non-zero',
        hint: "Hypriot's own repository for it needs mounting /proc, /sys and /dev in a chroot. --allow-privileged root_fs permits that.",
      },
    ]);
  });

  it('that does not exist is named before anything runs', async () => {
    await mkdir(join(target, 'empty'));
    await configure({root_fs: {repo: `file://${target}/empty#v2`}});
    await expect(buildHere('root_fs')).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringContaining(`file://${target}/empty`) as string,
    });
  });
});
