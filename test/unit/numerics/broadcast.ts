/** numpy broadcasting for the oracles: slow and obvious. */
export function resultShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => Math.max(a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1));
}

/** `data` of shape `from`, repeated to shape `to`. */
export function expand<T extends Uint8Array | Int8Array>(data: T, from: readonly number[], to: readonly number[]): T {
  const out = new (data.constructor as new (length: number) => T)(to.reduce((product, dim) => product * dim, 1));
  for (let target = 0; target < out.length; target++) {
    let source = 0;
    let stride = 1;
    let rest = target;
    for (let fromEnd = 1; fromEnd <= to.length; fromEnd++) {
      const dim = from.at(-fromEnd) ?? 1;
      if (dim !== 1) source += (rest % to.at(-fromEnd)!) * stride;
      rest = Math.floor(rest / to.at(-fromEnd)!);
      stride *= dim;
    }
    out[target] = data[source];
  }
  return out;
}
