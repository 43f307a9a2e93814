import {defineConfig} from 'vitest/config';

const minute = 60_000;

export default defineConfig({
  test: {
    projects: [
      // No engine needed.
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          pool: 'forks',
          // All of them: most of these tests wait for files, programs and servers.
          maxWorkers: '100%',
          testTimeout: minute,
          sequence: {groupOrder: 0},
        },
      },
      // A real engine; small containers, one file after the other, because they share it.
      {
        test: {
          name: 'docker',
          include: ['test/docker/**/*.test.ts'],
          globalSetup: 'test/docker/leave-nothing.ts',
          fileParallelism: false,
          testTimeout: 5 * minute,
          hookTimeout: 10 * minute,
          sequence: {groupOrder: 1},
        },
      },
      // The whole product: real packages, a real image, a real boot.
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 25 * minute,
          hookTimeout: 25 * minute,
          sequence: {groupOrder: 2},
        },
      },
    ],
  },
});
