import type { Reporter, TestModule } from 'vitest/node';

/** Ends a run with one plain line of counts, for whoever reads logs by machine. */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed' || state === 'failed' || state === 'skipped') counts[state] += 1;
      }
      // A file that does not even load has no tests to count, and must not look like none failed.
      if (module.state() === 'failed' && [...module.children.allTests('failed')].length === 0) {
        counts.failed += 1;
      }
    }
    process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  }
}
