/** BitCast: https://onnx.ai/onnx/operators/onnx__BitCast.html */
import { nnCast, type Value } from '../../../ir/index.ts';
import { dtypeOfOnnxCode, dtypes, isFloat } from '../../../tensors/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/** Between integers and truth values of one size a cast wraps, and so keeps all bits. */
function bitCast(ctx: NodeContext): Value {
  const x = ctx.get('input');
  const code = ctx.attr.int('to') ?? ctx.refuse('to is missing');
  const to = dtypeOfOnnxCode(code) ?? ctx.unsupported(`a cast to the type ${code}`);
  const from = x.type.dtype;
  if (dtypes[from].bits !== dtypes[to].bits) return ctx.refuse(`${from} and ${to} have different sizes`);
  if (from !== to && (isFloat(from) || isFloat(to))) return ctx.unsupported(`the bits of ${from} as ${to}`);
  return ctx.emit(nnCast, { x }, { to });
}

export const bitCastOps: readonly OnnxOp[] = [
  defineOnnxOp({ name: 'BitCast', since: 26, inputs: ['input'], attributes: ['to'], import: bitCast }),
];
