import {label} from '../api/docker/labels.ts';
import type {DockerImages} from '../api/docker/images.ts';
import {writeTar} from '../api/docker/tar.ts';

/** How much later it is in containers of the image, as libfaketime is told. */
const later = '+1d';

/**
 * Every program of the image is started with libfaketime: clock, `date`, what a program takes for now. Not the times of
 * files, which the kernel sets, and not programs inside a chroot, where the library is not there.
 */
const dockerfile = (base: string) => `FROM ${base}
RUN apt-get update && apt-get install -y --no-install-recommends libfaketime && \\
  echo '${later}' >/etc/faketimerc && ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/etc/ld.so.preload && \\
  apt-get clean && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log
ENV NO_FAKE_STAT=1 FAKETIME_DONT_FAKE_MONOTONIC=1
`;

/**
 * Makes an image like `base` in which it is a day later. It has an identity of its own, so that no build image of
 * `base` is taken for one of it.
 *
 * @param name Its tag.
 */
export async function makeLaterImage(
  images: DockerImages,
  base: string,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const context = await writeTar([{name: 'Dockerfile', content: Buffer.from(dockerfile(base))}]);
  await images.build({context, tag: name, labels: {[label.identity]: name}, signal});
}
