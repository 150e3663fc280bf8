/**
 * A vitest reporter that lists what was skipped and why, so that a skipped test is never invisible. A skipped test without a
 * reason fails the run: `skip(reason)` of the test context gives one, as `test/support/unless.ts` does.
 */
export default class SkippedReporter {
  /** Whether the caller chose tests by name, or stopped at the first failure: then the others are skipped for that. */
  #isPartial = false;

  onInit(vitest) {
    this.#isPartial = vitest.config.testNamePattern !== undefined || vitest.config.bail > 0;
  }

  onTestRunEnd(modules) {
    const skipped = new Map();
    const silent = [];
    for (const module of modules)
      for (const test of module.children.allTests('skipped')) {
        const reason = test.result().note;
        if (!reason && !this.#isPartial && module.ok()) silent.push(`${module.relativeModuleId} > ${test.fullName}`);
        const key = `${module.relativeModuleId}: ${reason || 'no reason given'}`;
        skipped.set(key, (skipped.get(key) ?? 0) + 1);
      }
    if (skipped.size === 0) return;
    console.log('\nSkipped:');
    for (const [key, count] of skipped) console.log(`${String(count).padStart(6)}  ${key}`);
    if (silent.length === 0) return;
    console.error(`\nSkipped without a reason, which is an error:\n${silent.map((name) => `  ${name}\n`).join('')}`);
    process.exitCode = 1;
  }
}
