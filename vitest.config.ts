import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'packages/*/src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // Each test file makes its own database and ports; workers equal the cores so that the
    // end-to-end processes do not starve each other.
    pool: 'forks',
    reporters: ['default', './test/support/closing-line.ts'],
  },
});
