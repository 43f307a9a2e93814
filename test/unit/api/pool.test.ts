import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {Pool} from '../../../api/pool.ts';

/** A task that ends when the test says so. */
class Task {
  started = false;
  readonly #promise: Promise<void>;
  #resolve!: () => void;
  #reject!: (error: Error) => void;

  constructor() {
    this.#promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  readonly run = (): Promise<void> => {
    this.started = true;
    return this.#promise;
  };

  succeed(): void {
    this.#resolve();
  }

  fail(): void {
    this.#reject(new Error('failed'));
  }
}

/** Lets everything happen that can happen now. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('Pool', () => {
  it('starts as many as there are places, the next when one ends, in the order of asking', async () => {
    const pool = new Pool(2);
    const tasks = Array.from({length: 5}, () => new Task());
    const started = () => tasks.map((task) => task.started);
    const all = tasks.map((task) => pool.run(task.run));
    await settle();
    expect(started()).toEqual([true, true, false, false, false]);
    tasks[1]?.succeed();
    await settle();
    expect(started()).toEqual([true, true, true, false, false]);
    tasks[2]?.succeed();
    tasks[0]?.succeed();
    await settle();
    expect(started()).toEqual([true, true, true, true, true]);
    tasks.forEach((task) => task.succeed());
    await Promise.all(all);
  });

  it('does not give a place away twice', async () => {
    const pool = new Pool(1);
    const tasks = Array.from({length: 3}, () => new Task());
    const all = tasks.slice(0, 2).map((task) => pool.run(task.run));
    tasks[0]?.succeed();
    await settle();
    // The second one has the place of the first; whoever comes now must wait.
    const last = pool.run(tasks[2]?.run ?? (() => Promise.resolve()));
    await settle();
    expect(tasks.map((task) => task.started)).toEqual([true, true, false]);
    tasks.forEach((task) => task.succeed());
    await Promise.all([...all, last]);
  });

  it('frees the place of a task that fails, and lets the error through', async () => {
    const pool = new Pool(1);
    const [bad, good] = [new Task(), new Task()];
    const failed = expect(pool.run(bad.run)).rejects.toThrow('failed');
    const done = pool.run(good.run);
    bad.fail();
    await failed;
    await settle();
    expect(good.started).toBe(true);
    good.succeed();
    await done;
  });

  it('frees the place of a task that throws before it returns a promise', async () => {
    const pool = new Pool(1);
    await expect(
      pool.run(() => {
        throw new Error('at once');
      }),
    ).rejects.toThrow('at once');
    await expect(pool.run(() => Promise.resolve(7))).resolves.toBe(7);
  });

  it('never runs more than its size at once, whatever happens, and runs everything', async () => {
    const plan = fc.array(fc.record({turns: fc.integer({min: 2, max: 5}), fails: fc.boolean()}), {
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(fc.integer({min: 1, max: 5}), plan, async (size, tasks) => {
        const pool = new Pool(size);
        let [running, most, ended] = [0, 0, 0];
        await Promise.allSettled(
          tasks.map(({turns, fails}) =>
            pool.run(async () => {
              most = Math.max(most, ++running);
              for (let i = 0; i < turns; i++) await Promise.resolve();
              running--;
              ended++;
              if (fails) throw new Error('failed');
            }),
          ),
        );
        expect(ended).toBe(tasks.length);
        expect(most).toBe(Math.min(size, tasks.length));
      }),
    );
  });
});
