import { setImmediate } from 'node:timers/promises';

/** Waits until timers and sockets have had their turn: immediates run before the timers of the same round. */
export async function turn(): Promise<void> {
  await setImmediate();
  await setImmediate();
}
