/** Operators of one operand, element by element. */

import { onnxTypeName } from '../../../formats/onnx/index.ts';
import {
  nnAbs,
  nnCast,
  nnClip,
  nnEqual,
  nnExpand,
  nnIdentity,
  nnMax,
  nnMin,
  nnMul,
  nnNot,
  nnSigmoid,
  type Value,
} from '../../../ir/index.ts';
import { type DType, dtypeOfOnnxCode, isHalf, isSmallFloat } from '../../../tensors/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/** Min and max of Clip: attributes before version 11, operands since. */
function clip(ctx: NodeContext): Value {
  const x = ctx.get('input');
  if (ctx.opset < 11) {
    return ctx.emit(nnClip, { x }, { min: ctx.attr.float('min', -Infinity), max: ctx.attr.float('max', Infinity) });
  }
  const [min, max] = [ctx.find('min'), ctx.find('max')];
  for (const bound of [min, max]) {
    if (bound && bound.type.shape.length > 1) ctx.refuse('min and max should be scalars', 'U2004', { input: 'min' });
  }
  const constant = [min, max].every((bound) => bound === undefined || ctx.constantOf(bound) !== undefined);
  if (constant && (x.type.dtype === 'f32' || isHalf(x.type.dtype))) {
    // One operator, which rounds halves once; a NaN bound limits nothing.
    const bound = (name: 'min' | 'max', none: number): number => {
      const given = ctx.scalarOf(name) ?? none;
      return Number.isNaN(given) ? none : given;
    };
    return ctx.emit(nnClip, { x }, { min: bound('min', -Infinity), max: bound('max', Infinity) });
  }
  const above = min ? ctx.emit(nnMax, { a: x, b: min }) : x;
  return max ? ctx.emit(nnMin, { a: above, b: max }) : above;
}

const castTo = (ctx: NodeContext, x: Value, to: DType): Value =>
  isSmallFloat(to) && x.type.dtype !== to
    ? ctx.emit(
        nnCast,
        { x },
        {
          to,
          saturate: ctx.attr.flag('saturate', true),
          ...(to === 'f8e8m0' && { rounding: ctx.attr.word('round_mode', nnCast.attrs.rounding, 'up') }),
        },
      )
    : ctx.castAs(x, to);

/** x·σ(α·x) */
export function swish(ctx: NodeContext, x: Value, alpha: number): Value {
  const scaled = alpha === 1 ? x : ctx.emit(nnMul, { a: x, b: ctx.scalar(x.type.dtype, alpha, 'alpha') });
  return ctx.emit(nnMul, { a: x, b: ctx.emit(nnSigmoid, { x: scaled }) });
}

export const unaryOps: readonly OnnxOp[] = [
  defineOnnxOp({
    name: 'Swish',
    inputs: ['X'],
    attributes: ['alpha'],
    import(ctx) {
      return swish(ctx, ctx.get('X'), ctx.attr.float('alpha', 1));
    },
  }),
  defineOnnxOp({
    name: 'IsNaN',
    since: 9,
    inputs: ['X'],
    import(ctx) {
      const x = ctx.get('X');
      return ctx.emit(nnNot, { x: ctx.emit(nnEqual, { a: x, b: x }) });
    },
  }),
  defineOnnxOp({
    name: 'IsInf',
    since: 10,
    inputs: ['X'],
    attributes: ['detect_negative', 'detect_positive'],
    import(ctx) {
      const x = ctx.get('X');
      const equals = (a: Value, value: number) =>
        ctx.emit(nnEqual, { a, b: ctx.scalar(x.type.dtype, value, 'infinity') });
      const [below, above] = ['detect_negative', 'detect_positive'].map((name) => ctx.attr.flag(name, true));
      if (below && above) return equals(ctx.emit(nnAbs, { x }), Infinity);
      if (below || above) return equals(x, below ? -Infinity : Infinity);
      return ctx.emit(nnExpand, { x: ctx.scalar('bool', 0) }, { shape: x.type.shape });
    },
  }),
  defineOnnxOp({
    name: 'Clip',
    since: 6,
    inputs: ['input: T', 'min?: T', 'max?: T'],
    attributes: ['min', 'max'],
    operandsSince: { min: 11, max: 11 },
    import: clip,
  }),
  defineOnnxOp({
    name: 'Dropout',
    inputs: ['data', 'ratio?', 'training_mode?'],
    outputs: 2,
    attributes: ['seed', 'ratio', 'is_test', 'consumed_inputs'],
    operandsSince: { ratio: 12, training_mode: 12 },
    attributesUntil: { is_test: 7 },
    import(ctx) {
      const x = ctx.get('data');
      const training = ctx.opset < 7 ? !ctx.attr.flag('is_test') : (ctx.scalarOf('training_mode') ?? 0) !== 0;
      if (training) ctx.unsupported('dropout in training mode');
      const y = ctx.emit(nnIdentity, { x });
      if (!ctx.wants(1)) return y;
      // nothing is dropped: all ones since version 12. Before, its meaning was not defined, and ONNX Runtime writes
      // zeros
      const mask = ctx.scalar(ctx.opset < 10 ? x.type.dtype : 'bool', ctx.opset < 12 ? 0 : 1, 'mask');
      return [y, ctx.emit(nnExpand, { x: mask }, { shape: x.type.shape })];
    },
  }),
  defineOnnxOp({
    name: 'Cast',
    since: 6,
    inputs: ['input'],
    attributes: ['to', 'saturate', 'round_mode'],
    import(ctx) {
      const code = ctx.attr.int('to') ?? ctx.refuse("the attribute 'to' is missing");
      const to = dtypeOfOnnxCode(code) ?? ctx.unsupported(`a cast to ${onnxTypeName(code)}`);
      return castTo(ctx, ctx.get('input'), to);
    },
  }),
  defineOnnxOp({
    name: 'CastLike',
    since: 15,
    inputs: ['input', 'target_type'],
    attributes: ['saturate', 'round_mode'],
    import(ctx) {
      const { dtype } = ctx.get('target_type').type;
      return castTo(ctx, ctx.get('input'), dtype);
    },
  }),
];
