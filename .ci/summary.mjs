// Reads the JSON report of vitest and the names of the failed stages; prints the closing line and sets the exit code.
//   node .ci/summary.mjs REPORT [FAILED-STAGE…]
import { readFileSync } from 'node:fs';

const [reportFile, ...failedStages] = process.argv.slice(2);

/** Counts of a vitest JSON report; undefined when the run wrote none. A file that did not load is one failure. */
function readReport(file) {
  try {
    const report = JSON.parse(readFileSync(file, 'utf8'));
    const unloaded = report.testResults.filter(
      (f) => f.status === 'failed' && !f.assertionResults.some((t) => t.status === 'failed'),
    );
    return {
      passed: report.numPassedTests,
      failed: report.numFailedTests + unloaded.length,
      skipped: report.numPendingTests + report.numTodoTests,
    };
  } catch {
    return undefined;
  }
}

const counts = readReport(reportFile) ?? { passed: 0, failed: 0, skipped: 0 };
// A failing test fails the test stage as well: counted once. A test stage that failed otherwise (it crashed) counts itself.
const otherStages = failedStages.filter((stage) => stage !== 'tests' || counts.failed === 0);
if (failedStages.length > 0) console.log(`failed stages: ${failedStages.join(', ')}`);
const failed = counts.failed + otherStages.length;
console.log(`${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped`);
if (failed > 0 || counts.passed === 0) process.exitCode = 1;
