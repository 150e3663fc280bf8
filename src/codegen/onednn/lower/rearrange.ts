/** Operators whose elements lie in another order, or several times: copies with strides. */
import {
  byteLengthOf,
  isStatic,
  type nnDepthToSpace,
  type nnSpaceToDepth,
  type nnTile,
  type OpWith,
  type View,
} from '../../../ir/index.ts';
import { plainStrides } from '../layout.ts';
import type { Recorder } from '../recorder.ts';
import type { Lowering } from './lowering.ts';

/** An axis of the copy: its size, and the strides in operand and result. */
type Axis = readonly [size: number, from: number, to: number];

function copy({ x, y }: View<OpWith<'x'>>, r: Recorder, axes: readonly Axis[]): void {
  const all = axes.length === 0 ? [[1, 1, 1] as const] : axes;
  r.kernel(
    {
      name: 'copy',
      elementBytes: byteLengthOf(r.dtype(x), 1),
      shape: all.map(([size]) => size),
      sourceStrides: all.map(([, from]) => from),
      destinationStrides: all.map(([, , to]) => to),
      sourceOffset: 0,
      destinationOffset: 0,
    },
    { source: r.use(x, r.preferredLayout(x)), destination: r.define(y, r.preferredLayout(x)) },
  );
}

/** The strides of operand and result in the layout of the operand. */
function stridesIn({ x, y }: View<OpWith<'x'>>, r: Recorder): readonly [readonly number[], readonly number[]] {
  const layout = r.preferredLayout(x);
  return [plainStrides(layout, r.shape(x)), plainStrides(layout, r.shape(y))];
}

export const tile: Lowering<typeof nnTile> = {
  refuses: ({ attrs: { repeats } }) =>
    isStatic(repeats) ? undefined : 'its counts depend on sizes that are not known',
  lower(view, r) {
    const shape = r.shape(view.x);
    const [from, to] = stridesIn(view, r);
    const axes = shape.flatMap((size, axis): Axis[] => [
      [Number(view.attrs.repeats[axis]), 0, size * to[axis]],
      [size, from[axis], to[axis]],
    ]);
    // An axis repeated once is one axis.
    copy(
      view,
      r,
      axes.filter(([size]) => size !== 1),
    );
  },
};

/**
 * [N, C, H·b, W·b] (space) and [N, C·b², H, W] (depth): rows and columns of a block are axes of their own in both. The axes with
 * their strides in space and in depth.
 */
function blockAxes(
  [n, c, h, w]: readonly number[],
  block: number,
  mode: 'DCR' | 'CRD',
  space: readonly number[],
  depth: readonly number[],
): Axis[] {
  const [row, column, channel] = mode === 'DCR' ? [block * c, c, 1] : [block, 1, block * block];
  return [
    [n, space[0], depth[0]],
    [c, space[1], channel * depth[1]],
    [h, space[2] * block, depth[2]],
    [block, space[2], row * depth[1]],
    [w, space[3] * block, depth[3]],
    [block, space[3], column * depth[1]],
  ];
}

export const depthToSpace: Lowering<typeof nnDepthToSpace> = {
  lower(view, r) {
    const { block, mode } = view.attrs;
    const [n, c, h, w] = r.shape(view.x);
    const [from, to] = stridesIn(view, r);
    const axes = blockAxes([n, c / block ** 2, h, w], block, mode, to, from);
    copy(
      view,
      r,
      axes.map(([size, space, depth]) => [size, depth, space]),
    );
  },
};

export const spaceToDepth: Lowering<typeof nnSpaceToDepth> = {
  lower(view, r) {
    const { block } = view.attrs;
    const [n, c, h, w] = r.shape(view.x);
    const [from, to] = stridesIn(view, r);
    copy(view, r, blockAxes([n, c, h / block, w / block], block, 'DCR', from, to));
  },
};
