/** Results that are computed once for a pair of keys, the first of which is an object. */
export interface Memory<A extends object, B, T> {
  get(key: A): Map<B, T> | undefined;
  set(key: A, value: Map<B, T>): unknown;
}

/** The memory of its own that belongs to a key. */
export function within<A, B, T>(memories: Map<string, Map<A, Map<B, T>>>, key: string): Map<A, Map<B, T>> {
  const known = memories.get(key) ?? new Map<A, Map<B, T>>();
  memories.set(key, known);
  return known;
}

const identities = new WeakMap<object, number>();
let last = 0;
/** Objects have the same number when they are one. */
export function identityOf(object: object): number {
  const known = identities.get(object) ?? ++last;
  identities.set(object, known);
  return known;
}

export function remember<A extends object, B, T>(memory: Memory<A, B, T>, a: A, b: B, compute: () => T): T {
  let known = memory.get(a);
  if (known === undefined) {
    known = new Map();
    memory.set(a, known);
  }
  let value = known.get(b);
  if (value === undefined && !known.has(b)) {
    value = compute();
    known.set(b, value);
  }
  return value as T;
}
