/** Work in steps, between which something else may be done: a generator that gives nothing on the way, and its result at the end. */
export type Steps<T> = Generator<void, T>;

/** All steps at once. */
export function atOnce<T>(work: Steps<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}
