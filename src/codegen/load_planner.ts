/** Loads the code that plans, file by file where it lies in several, so that nothing waits for it later. */
export async function loadPlanner(): Promise<void> {
  await import('./onednn/plan.ts');
}
