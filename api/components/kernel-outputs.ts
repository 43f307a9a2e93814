import {withDigest, type Output} from './step.ts';

/** What rpi_kernel makes, wherever the kernel comes from: the release is known only when it has been read. */
export function kernelOutputs(release: string): Output[] {
  return [
    ...withDigest('bootfiles.tar.gz'),
    ...withDigest(`${release}.tar.gz`),
    {name: `${release}.config`, delivered: true},
  ];
}
