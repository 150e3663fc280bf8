import { setImmediate } from 'node:timers/promises';
import type { Steps } from '../codegen/index.ts';

/** Waits until timers and sockets have had their turn: immediates run before the timers of the same round. */
export async function turn(): Promise<void> {
  await setImmediate();
  await setImmediate();
}

/** Milliseconds for which timers wait. */
const LONGEST = 8;

/** Work in steps, while the event loop turns between some of them. */
export async function inTurns<T>(work: Steps<T>): Promise<T> {
  let start = performance.now();
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    if (performance.now() - start < LONGEST) continue;
    await turn();
    start = performance.now();
  }
}
