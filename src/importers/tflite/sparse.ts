/**
 * Constants of which only blocks with elements that are not zero are stored: https://www.tensorflow.org/lite, SparsityParameters.
 *
 *   level l of axis d, in the order of the file   all of its positions, or for position p of the levels around it those of
 *                                                 indices[segments[p]] … indices[segments[p + 1] − 1]
 *   place of an element along axis d              position of d · size of its block + place in the block
 */
import type { SparsityLevel, TfliteSparsity } from '../../formats/tflite/index.ts';
import { sizeOf, stridesOf } from '../../tensors/index.ts';

/** More elements are not spread: a few bytes could ask for any amount of memory. */
const MOST_ELEMENTS = 2 ** 28;

/** The number of positions of each level; undefined for a block that does not divide its axis. */
function sizesOf({ order, blocks, levels }: TfliteSparsity, shape: readonly number[]): (number | undefined)[] {
  const rank = shape.length;
  const blockSize = (block: number): number => {
    const level = levels[order.indexOf(rank + block)];
    return level && 'size' in level ? level.size : 0;
  };
  return order.map((axis) => {
    if (axis >= rank) return blockSize(axis - rank) || undefined;
    const block = blocks.indexOf(axis);
    const size = block < 0 ? shape[axis] : shape[axis] / blockSize(block);
    return Number.isInteger(size) ? size : undefined;
  });
}

/** The number of paths through a level, `around` being those through the levels around it; undefined where it is not valid. */
function pathsThrough(level: SparsityLevel, size: number | undefined, around: number): number | undefined {
  if (size === undefined) return undefined;
  if ('size' in level) return level.size === size ? around * size : undefined;
  const { segments, indices } = level;
  const isOrdered = segments.every((end, i) => end >= (segments[i - 1] ?? 0)) && segments[0] === 0;
  const isInside = indices.every((index) => index >= 0 && index < size);
  return isOrdered && isInside && segments.length === around + 1 && segments.at(-1) === indices.length
    ? indices.length
    : undefined;
}

/** The reason why `count` stored elements have no places in a tensor of the shape; undefined where they do. */
export function faultOf(sparsity: TfliteSparsity, shape: readonly number[], count: number): string | undefined {
  const { order, blocks, levels } = sparsity;
  const [rank, all] = [shape.length, shape.length + blocks.length];
  const isEach =
    new Set(order).size === all && order.every((axis, i) => axis >= 0 && axis < all && axis < rank === i < rank);
  if (!isEach || order.length !== all || levels.length !== all) return 'its levels are not one for each axis and block';
  if (new Set(blocks).size < blocks.length || blocks.some((axis) => axis < 0 || axis >= rank))
    return 'its blocks do not divide axes';
  if (sizeOf(shape) > MOST_ELEMENTS) return `it has more than ${MOST_ELEMENTS} elements`;
  const sizes = sizesOf(sparsity, shape);
  let paths: number | undefined = 1;
  for (const [i, level] of levels.entries()) {
    paths = pathsThrough(level, sizes[i], paths);
    if (paths === undefined) return `the level ${i} does not fit the shape [${shape.join(', ')}]`;
  }
  return paths === count ? undefined : `${count} elements are stored, and ${paths} have places`;
}

/** The bytes of the whole tensor; elements have `width` bytes. */
export function spread(
  stored: Uint8Array,
  width: number,
  { order, blocks, levels }: TfliteSparsity,
  shape: readonly number[],
): Uint8Array {
  const whole = new Uint8Array(sizeOf(shape) * width);
  const strides = stridesOf(shape);
  const rank = shape.length;
  const blockSizes = shape.map((_, axis) => {
    const level = levels[order.indexOf(rank + blocks.indexOf(axis))];
    return blocks.includes(axis) && 'size' in level ? level.size : 1;
  });
  /** The elements between two positions of a level. */
  const steps = order.map((axis) => (axis < rank ? strides[axis] * blockSizes[axis] : strides[blocks[axis - rank]]));
  let next = 0;
  const visit = (depth: number, path: number, place: number): void => {
    if (depth === levels.length) {
      whole.set(stored.subarray(next * width, (next + 1) * width), place * width);
      next++;
      return;
    }
    const level = levels[depth];
    if ('size' in level)
      for (let i = 0; i < level.size; i++) visit(depth + 1, path * level.size + i, place + i * steps[depth]);
    else
      for (let i = level.segments[path]; i < level.segments[path + 1]; i++)
        visit(depth + 1, i, place + level.indices[i] * steps[depth]);
  };
  visit(0, 0, 0);
  return whole;
}
