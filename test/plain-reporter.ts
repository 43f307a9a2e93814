import type {Reporter, SerializedError, TestModule} from 'vitest/node';

/** Closes the run with one plain line that every program can read: `N passed, N failed`. */
export default class PlainReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    let passed = 0;
    let failed = errors.length;
    let skipped = 0;
    for (const module of modules) {
      // A file that could not even be loaded has no tests, and is a failure all the same.
      if (module.errors().length > 0) failed++;
      for (const test of module.children.allTests()) {
        const {state} = test.result();
        if (state === 'passed') passed++;
        else if (state === 'failed') failed++;
        else skipped++;
      }
    }
    const rest = skipped > 0 ? `, ${skipped} skipped` : '';
    // After the other reporters, which print when this hook has returned.
    process.once('exit', () => process.stdout.write(`${passed} passed, ${failed} failed${rest}\n`));
  }
}
