import { defineConfig } from 'vitest/config';

/**
 * Tests that need a process of their own: they set the platform, mock modules, count or time what the whole process does, or end
 * its threads. All other files leave no state behind and share workers, which load the sources once.
 */
const isolated = [
  'test/{browser,faults,fuzz,lifecycle,sweep}/**/*.test.ts',
  'test/native/{exhaustion,lent,openmp,session,shared_constants,team}.test.ts',
  'test/unit/{hostile,platform,runtime}/**/*.test.ts',
  'test/unit/{bundle,load_part,scaling}.test.ts',
  'test/unit/cli/{output_files,process,proving}.test.ts',
  'test/unit/proofs/verify.test.ts',
];

/** Deep runs draw thousands of cases per test. */
const testTimeout = process.env.UNSKEW_DEEP === undefined ? 60_000 : 3_600_000;
const setupFiles = ['test/support/node_platform.ts', 'test/support/same_draws.ts'];
const common = { testTimeout, setupFiles, pool: 'forks', maxWorkers: 2 } as const;

export default defineConfig({
  test: {
    reporters: ['default', './scripts/skipped-reporter.mjs'],
    projects: [
      { test: { ...common, name: 'shared', include: ['test/**/*.test.ts'], exclude: isolated, isolate: false } },
      { test: { ...common, name: 'isolated', include: isolated } },
    ],
  },
});
