import { defineConfig } from 'vitest/config';

/** Tests that leave no state behind in a process (mocks, settings): their files share workers, which load the sources once. */
const shared = [
  'test/unit/{diagnostics,ir,numerics,ops,onnx_*,passes,torch,torch_export}/**/*.test.ts',
  'test/{conformance,golden,properties}/**/*.test.ts',
  'test/differential/{conv,rewrite}*.test.ts',
];

/** Deep runs draw thousands of cases per test. */
const testTimeout = process.env.UNSKEW_DEEP === undefined ? 60_000 : 3_600_000;
const setupFiles = ['test/support/node_platform.ts', 'test/support/same_draws.ts'];
const common = { testTimeout, setupFiles, pool: 'forks', maxWorkers: 2 } as const;

export default defineConfig({
  test: {
    reporters: ['default', './scripts/skipped-reporter.mjs'],
    projects: [
      { test: { ...common, name: 'shared', include: shared, isolate: false } },
      { test: { ...common, name: 'isolated', include: ['test/**/*.test.ts', 'src/**/*.test.ts'], exclude: shared } },
    ],
  },
});
