/** Operators that take elements by positions which are a tensor. */

import { nnAdd, nnGather, nnGatherElements, nnMod, nnMul, type Value } from '../../../ir/index.ts';
import { sizeOf, tensor } from '../../../tensors/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import { numbersOf } from '../quantized/quantize.ts';
import type { GraphTensor, TensorLike } from '../values.ts';
import { axisOf } from './parts.ts';

/** Truth values in the place of positions. */
export const isMask = (x: TensorLike): boolean =>
  !('input' in x) && (x.type.dtype === 'bool' || x.type.name === 'uint8');

/** The positions at which a known list of truth values is true. */
function truePositions(ctx: TorchContext, at: TensorLike): Value {
  if (ctx.graph(at).shape.length !== 1) return ctx.unsupported('positions given by truth values');
  const positions = numbersOf(ctx, at, 'positions given by truth values').flatMap((v, i) => (v === 0 ? [] : [i]));
  return ctx.constant(tensor('s64', positions), 'positions');
}

/** Lists of positions along neighbouring axes, broadcast against one another. */
function index(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.graph(args.tensor('self'));
  const given = args.optionalTensors('indices').flatMap((at, axis) => (at === null ? [] : [{ at, axis }]));
  if (given.length === 0) return x;
  const [{ at: first, axis }] = given;
  if (given.length === 1) {
    const positions = isMask(first) ? truePositions(ctx, first) : ctx.positions(first);
    return ctx.moved(ctx.emit(nnGather, { x: x.value, indices: positions }, { axis }), x, false);
  }
  if (given.some(({ at }) => isMask(at))) ctx.unsupported('positions given by truth values');
  if (given.some((item, i) => item.axis !== axis + i))
    return ctx.unsupported('lists of positions of axes that are apart');
  const { shape } = x;
  const sizes = ctx.staticShape(shape.slice(axis, axis + given.length), 'lists of positions');
  // as one list along the axes made one; negative positions count from the end
  const size = (i: number) => ctx.scalar('s64', sizes[i], 'size');
  const at = given
    .map((item, i) => ctx.emit(nnMod, { a: ctx.cast(ctx.positions(item.at), 's64'), b: size(i) }))
    .reduce((sum, next, i) => ctx.emit(nnAdd, { a: ctx.emit(nnMul, { a: sum, b: size(i) }), b: next }));
  const flat = ctx.reshape(x.value, [...shape.slice(0, axis), sizeOf(sizes), ...shape.slice(axis + given.length)]);
  return ctx.moved(ctx.emit(nnGather, { x: flat, indices: at }, { axis }), x, false);
}

export const positionOps: readonly TorchOp[] = [
  ...defineTorchOp({
    schema:
      'aten::embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False)',
    import(ctx, args) {
      const [weight, indices] = [ctx.graph(args.tensor('weight')), ctx.positions(args.tensor('indices'))];
      return ctx.moved(ctx.emit(nnGather, { x: weight.value, indices }, { axis: 0 }), weight, false);
    },
  }),
  ...defineTorchOp({
    schema: 'aten::index_select(Tensor self, int dim, Tensor index)',
    import(ctx, args) {
      const [x, indices] = [ctx.graph(args.tensor('self')), ctx.positions(args.tensor('index'))];
      return ctx.moved(ctx.emit(nnGather, { x: x.value, indices }, { axis: axisOf(ctx, x, args) }), x);
    },
  }),
  ...defineTorchOp({
    schema: 'aten::gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False)',
    import(ctx, args) {
      const [x, indices] = [ctx.graph(args.tensor('self')), ctx.positions(args.tensor('index'))];
      return ctx.moved(ctx.emit(nnGatherElements, { x: x.value, indices }, { axis: axisOf(ctx, x, args) }), x, false);
    },
  }),
  ...defineTorchOp({ schema: 'aten::index.Tensor(Tensor self, Tensor?[] indices)', import: index }),
];
