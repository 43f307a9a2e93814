import {baseSuite} from '../api/engine/build-base-image.ts';
import {PackagesRoom, resolveFetchInstall} from './packages-room.ts';

/** What the issue names, besides the essential packages. */
const packages = ['docker.io', 'locales', 'openssh-server', 'sudo', 'systemd'];

/** Times of the same package set, made in three ways in one run. */
export interface RootFsFigures {
  readonly native_seconds: number;
  readonly overlay_seconds: number;
  readonly emulated_seconds: number;
  readonly overlay_over_native: number;
  readonly overlay_over_emulated: number;
  readonly packages: {readonly native: number; readonly overlay: number; readonly emulated: number};
}

/** Downloads everything that the runs will download, and throws it away. */
const warmUp = `
  set -eu
  . /usr/lib/hypriotkit/common.sh
  . /usr/lib/hypriotkit/private-apt.sh
  private_apt /tmp/apt "$BUILD_ARCH" main >/dev/null
  apt-get -qq -y --download-only install $PACKAGES '?essential' '?priority(required)' apt
  echo "$(ls /tmp/apt/archives/*.deb | wc -l) packages"
`;

/** What everybody does: mmdebstrap, and qemu does the rest. Packed as packages.sh packs, so that only the way differs. */
const plainMmdebstrap = `
  set -eu
  apt-get indextargets --no-release-info --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    sort -u >/tmp/sources.list
  ZSTD_CLEVEL=3 ZSTD_NBTHREADS=4 mmdebstrap --mode=root --variant=minbase --format=tar \\
    --skip=check/qemu,check/canmount --architectures="$BUILD_ARCH" \\
    --include="$(printf '%s' "$PACKAGES" | tr ' ' ,)" \\
    --customize-hook='dpkg-query --admindir="$1/var/lib/dpkg" --show >/tmp/installed' \\
    "$SUITE" rootfs.tar.zst - </tmp/sources.list
  echo "$(wc -l </tmp/installed) packages"
`;

/**
 * Installs one package set for amd64 natively, for arm64 with the native overlay, and for arm64 by plain mmdebstrap
 * under qemu, one after the other.
 *
 * Every run downloads its packages itself. Before the first one, all of them are downloaded once for both
 * architectures, so that no run waits for a mirror or proxy that sees a file for the first time. Images and emulator
 * are made before, too; the time of a run is that of its container, from its creation to its end.
 */
export async function benchRootFs(options: {
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}): Promise<RootFsFigures> {
  await using room = await PackagesRoom.open(options.log, options.signal);
  const environment = {VARIANT: 'debian', SUITE: baseSuite, MIRROR: '', PACKAGES: packages.join(' ')};
  const run = (name: string, architecture: string, command: readonly string[]) =>
    room.run({name, command, environment: {...environment, BUILD_ARCH: architecture}});
  for (const architecture of ['amd64', 'arm64']) {
    await run(`warm-up-${architecture}`, architecture, ['sh', '-c', warmUp]);
  }
  const native = await run('native', 'amd64', ['sh', '-c', resolveFetchInstall]);
  const overlay = await run('overlay', 'arm64', ['sh', '-c', resolveFetchInstall]);
  const emulated = await run('emulated', 'arm64', ['sh', '-c', plainMmdebstrap]);
  return {
    native_seconds: native.seconds,
    overlay_seconds: overlay.seconds,
    emulated_seconds: emulated.seconds,
    overlay_over_native: round(overlay.seconds / native.seconds),
    overlay_over_emulated: round(overlay.seconds / emulated.seconds),
    packages: {native: native.packages, overlay: overlay.packages, emulated: emulated.packages},
  };
}

function round(ratio: number): number {
  return Math.round(ratio * 1000) / 1000;
}
