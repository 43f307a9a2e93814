import {defineConfig} from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      // No engine needed.
      {test: {name: 'unit', include: ['test/unit/**/*.test.ts'], pool: 'forks', testTimeout: 60_000}},
      // A real engine; small containers, one file after the other, because they share it.
      {
        test: {
          name: 'docker',
          include: ['test/docker/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 600_000,
        },
      },
      // The whole product: real packages, a real image, a real boot.
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 1_500_000,
          hookTimeout: 1_500_000,
        },
      },
    ],
  },
});
