/** Lists with one element for each channel, or one for all of them. */

/** The element of a channel. */
export const atChannel = <T>(values: ArrayLike<T>, channel: number): T => values[values.length === 1 ? 0 : channel];

/** True when what broadcasts to a shape has one element, or one for each index of an axis. Sizes may be symbols. */
export function variesAlong<D extends number | string>(own: readonly D[], to: readonly D[], axis: number): boolean {
  const lead = to.length - own.length;
  if (own.every((size) => size === 1)) return lead >= 0;
  return lead >= 0 && own.every((size, i) => (lead + i === axis ? size === to[axis] : size === 1));
}
