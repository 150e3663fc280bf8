/** A value computed at the first reading. */
export const lazily = <T>(compute: () => T): (() => T) => {
  let value: { readonly is: T } | undefined;
  return () => (value ??= { is: compute() }).is;
};
