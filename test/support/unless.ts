/** Suites and tests that need a feature of the machine: where it is missing, a skipped test gives the reason. */
import { describe, it, type TestFunction } from 'vitest';

export function describeUnless(reason: string | undefined, name: string, body: () => void): void {
  if (reason === undefined) describe(name, body);
  else it(name, ({ skip }) => skip(reason));
}

export function itUnless(reason: string | undefined, name: string, body: TestFunction): void {
  it(name, reason === undefined ? body : ({ skip }) => skip(reason));
}
