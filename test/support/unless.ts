/** Suites and tests that need what is not everywhere: where there is a reason against one, a skipped test says it. */
import { describe, it, type TestFunction } from 'vitest';

export function describeUnless(reason: string | undefined, name: string, body: () => void): void {
  if (reason === undefined) describe(name, body);
  else it(name, ({ skip }) => skip(reason));
}

export function itUnless(reason: string | undefined, name: string, body: TestFunction): void {
  it(name, reason === undefined ? body : ({ skip }) => skip(reason));
}
