import {mkdir, rmdir, stat, writeFile} from 'node:fs/promises';
import {join} from 'node:path';

const controller = '/sys/fs/cgroup/blkio';

/**
 * Lets this process, and what it starts from now on, read and write a block device no faster than a card would. Needs
 * root and the blkio controller of cgroups version 1; counts what goes past the cache of the kernel.
 */
export class SlowDevice implements AsyncDisposable {
  readonly #group: string;

  private constructor(group: string) {
    this.#group = group;
  }

  /** @param rate In megabytes per second. */
  static async limit(device: string, rate: number): Promise<SlowDevice> {
    const group = join(controller, `hypriotkit-bench-${process.pid}`);
    await mkdir(group);
    const slow = new SlowDevice(group);
    try {
      const {rdev} = await stat(device);
      // glibc's major() and minor(), for numbers below 256 each.
      const limit = `${(rdev >> 8) & 0xff}:${rdev & 0xff} ${rate * 1_000_000}`;
      for (const direction of ['read', 'write'])
        await writeFile(join(group, `blkio.throttle.${direction}_bps_device`), limit);
      await writeFile(join(group, 'cgroup.procs'), String(process.pid));
      return slow;
    } catch (error) {
      await slow[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await writeFile(join(controller, 'cgroup.procs'), String(process.pid));
    await rmdir(this.#group);
  }
}
