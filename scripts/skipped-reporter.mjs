/** A vitest reporter that lists what was skipped and why, so that a skipped conformance test is never invisible. */
export default class SkippedReporter {
  onTestRunEnd(modules) {
    const skipped = new Map();
    for (const module of modules)
      for (const test of module.children.allTests('skipped')) {
        const key = `${module.relativeModuleId}: ${test.result().note ?? 'no reason given'}`;
        skipped.set(key, (skipped.get(key) ?? 0) + 1);
      }
    if (skipped.size === 0) return;
    console.log('\nSkipped:');
    for (const [key, count] of skipped) console.log(`${String(count).padStart(6)}  ${key}`);
  }
}
