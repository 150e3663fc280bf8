/** Functions that are compositions of simpler ones. */

import {
  nnAbs,
  nnAdd,
  nnCos,
  nnDiv,
  nnEqual,
  nnExp,
  nnFloor,
  nnGreater,
  nnLeakyRelu,
  nnLess,
  nnLog,
  nnMul,
  nnNeg,
  nnNot,
  nnSigmoid,
  nnSign,
  nnSin,
  nnSlice,
  nnSoftplus,
  nnSub,
  nnWhere,
  type Value,
} from '../../../ir/index.ts';
import { isFloat } from '../../../tensors/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import { mapped } from '../quantized/elementwise.ts';
import type { GraphTensor } from '../values.ts';
import { floating } from './unary.ts';

const number = (ctx: TorchContext, x: Value, value: number): Value => ctx.scalar(x.type.dtype, value, 'number');

/** x where it is above or below the bounds, else another number. */
const shrunk = (ctx: TorchContext, x: Value, lambd: number, shift: number): Value => {
  const above = ctx.emit(nnWhere, {
    cond: ctx.emit(nnGreater, { a: x, b: number(ctx, x, lambd) }),
    a: ctx.emit(nnSub, { a: x, b: number(ctx, x, shift) }),
    b: number(ctx, x, 0),
  });
  return ctx.emit(nnWhere, {
    cond: ctx.emit(nnLess, { a: x, b: number(ctx, x, -lambd) }),
    a: ctx.emit(nnAdd, { a: x, b: number(ctx, x, shift) }),
    b: above,
  });
};

const truncated = (ctx: TorchContext, x: Value): Value =>
  ctx.emit(nnMul, { a: ctx.emit(nnSign, { x }), b: ctx.emit(nnFloor, { x: ctx.emit(nnAbs, { x }) }) });

function glu(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.graph(args.tensor('self'));
  if (x.quantization) return ctx.unsupported('a quantized operand');
  const axis = ctx.axis(args.int('dim'), x.shape.length);
  const [size] = ctx.staticShape([x.shape[axis]], 'a gated unit');
  if (size % 2 !== 0) ctx.refuse(`an axis of ${size} has no halves`, 'U2005');
  const half = (start: number): Value =>
    ctx.emit(nnSlice, { x: x.value }, { starts: [start], ends: [start + size / 2], axes: [axis], steps: [1] });
  return ctx.result(ctx.emit(nnMul, { a: half(0), b: ctx.emit(nnSigmoid, { x: half(size / 2) }) }), x);
}

const LN2 = Math.fround(Math.LN2);

export const compositionOps: readonly TorchOp[] = [
  ...defineTorchOp({
    schema: 'aten::isnan(Tensor self)',
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      return ctx.result(ctx.emit(nnNot, { x: ctx.emit(nnEqual, { a: x.value, b: x.value }) }), x);
    },
  }),
  ...defineTorchOp({
    schema: 'aten::isinf(Tensor self)',
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      if (!isFloat(x.dtype)) return ctx.unsupported('infinities among integers');
      const size = ctx.emit(nnAbs, { x: x.value });
      return ctx.result(ctx.emit(nnEqual, { a: size, b: number(ctx, size, Infinity) }), x);
    },
  }),
  ...floating(
    'aten::threshold(Tensor self, Scalar threshold, Scalar value)',
    (ctx, x, args) =>
      ctx.emit(nnWhere, {
        cond: ctx.emit(nnGreater, { a: x, b: number(ctx, x, args.number('threshold')) }),
        a: x,
        b: number(ctx, x, args.number('value')),
      }),
    (ctx, x, args) => {
      const [least, value] = [Math.fround(args.number('threshold')), Math.fround(args.number('value'))];
      return mapped(ctx, x, (v) => (v > least ? v : value), undefined);
    },
  ),
  ...floating('aten::hardshrink(Tensor self, Scalar lambd=0.5)', (ctx, x, args) =>
    shrunk(ctx, x, args.number('lambd'), 0),
  ),
  ...floating('aten::softshrink(Tensor self, Scalar lambd=0.5)', (ctx, x, args) =>
    shrunk(ctx, x, args.number('lambd'), args.number('lambd')),
  ),
  ...floating('aten::log_sigmoid(Tensor self)', (ctx, x) =>
    ctx.emit(nnNeg, { x: ctx.emit(nnSoftplus, { x: ctx.emit(nnNeg, { x }) }) }),
  ),
  ...floating('aten::log1p(Tensor self)', (ctx, x) =>
    ctx.emit(nnLog, { x: ctx.emit(nnAdd, { a: x, b: number(ctx, x, 1) }) }),
  ),
  ...floating('aten::expm1(Tensor self)', (ctx, x) =>
    ctx.emit(nnSub, { a: ctx.emit(nnExp, { x }), b: number(ctx, x, 1) }),
  ),
  ...floating('aten::log2(Tensor self)', (ctx, x) =>
    ctx.emit(nnDiv, { a: ctx.emit(nnLog, { x }), b: number(ctx, x, LN2) }),
  ),
  ...floating('aten::tan(Tensor self)', (ctx, x) =>
    ctx.emit(nnDiv, { a: ctx.emit(nnSin, { x }), b: ctx.emit(nnCos, { x }) }),
  ),
  ...floating('aten::trunc(Tensor self)', truncated),
  ...floating('aten::frac(Tensor self)', (ctx, x) => ctx.emit(nnSub, { a: x, b: truncated(ctx, x) })),
  ...floating(
    'aten::rrelu(Tensor self, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, any generator=None)',
    (ctx, x, args) => ctx.emit(nnLeakyRelu, { x }, { alpha: (args.number('lower') + args.number('upper')) / 2 }),
  ),
  ...defineTorchOp({ schema: 'aten::glu(Tensor self, int dim=-1)', import: glu }),
];
