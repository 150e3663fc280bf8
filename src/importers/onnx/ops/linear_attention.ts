/**
 * Attention whose state does not grow: https://onnx.ai/onnx/operators/onnx__LinearAttention.html. Position after position, with a
 * state S of [size, value size] for each head:
 *
 *   S ← e^g·S      S ← S + k ⊗ β·(v − Sᵀk)      o = scale·Sᵀq
 *
 * the gate g where the rule is gated, β and Sᵀk where it is a delta rule.
 */
import { type Dim, nnAdd, nnConcat, nnExp, nnMatmul, nnMul, nnSub, type Value } from '../../../ir/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import { besideHeads, byHead, groupedProduct, misfit, part } from './attention_parts.ts';

/** Positions of a longer input are too many nodes. */
const MOST_POSITIONS = 128;

const rules = ['linear', 'gated', 'delta', 'gated_delta'];

/** The operand that the rule asks for, by head. */
function given(ctx: NodeContext, name: 'decay' | 'beta', isAsked: boolean, widths: readonly Dim[]): Value | undefined {
  const x = ctx.find(name);
  if (isAsked !== (x !== undefined))
    return ctx.refuse(isAsked ? `the rule asks for '${name}'` : `the rule has no '${name}'`, 'U2004', { input: name });
  if (x === undefined) return undefined;
  const width = x.type.shape[2];
  if (!widths.includes(width)) return misfit(ctx, [width, ...widths], `'${name}' of shape [${x.type.shape}]`);
  const heads = ctx.attr.int('kv_num_heads', 0);
  return ctx.cast(byHead(ctx, x, width === 1 ? 1 : heads), 'f32');
}

function linearAttention(ctx: NodeContext): readonly Value[] {
  const rule = ctx.attr.string('update_rule', 'gated_delta');
  if (!rules.includes(rule)) ctx.refuse(`the rule '${rule}' is none of ${rules.join(', ')}`);
  const heads = ctx.attr.int('kv_num_heads', 0);
  // all is computed in binary32
  const wide = (name: string, count: number) => ctx.cast(byHead(ctx, ctx.get(name), count), 'f32');
  const query = wide('query', ctx.attr.int('q_num_heads', 0));
  const [key, value] = [wide('key', heads), wide('value', heads)];
  const [, , count, size] = key.type.shape;
  const isDelta = rule.endsWith('delta');
  const decay = given(ctx, 'decay', rule.startsWith('gated'), [heads, ctx.get('key').type.shape[2]]);
  const beta = given(ctx, 'beta', isDelta, [heads, 1]);
  if (typeof size !== 'number') return ctx.unsupported('heads of a size that only the run knows');
  if (typeof count !== 'number') return misfit(ctx, [count], `${count} positions`);
  if (count === 0 || count > MOST_POSITIONS) return ctx.unsupported(`${count} positions`);

  const past = ctx.find('past_state');
  let state = past && ctx.cast(past, 'f32');
  const outputs: Value[] = [];
  for (let t = 0; t < count; t++) {
    const at = (x: Value) => part(ctx, x, 2, t, t + 1);
    const column = (x: Value) => ctx.transpose(at(x), [0, 1, 3, 2]);
    const kept = state && decay ? ctx.emit(nnMul, { a: state, b: ctx.emit(nnExp, { x: column(decay) }) }) : state;
    const seen = kept && isDelta ? ctx.emit(nnMatmul, { a: at(key), b: kept }) : undefined;
    const rest = seen ? ctx.emit(nnSub, { a: at(value), b: seen }) : at(value);
    const row = beta ? ctx.emit(nnMul, { a: rest, b: at(beta) }) : rest;
    const added = ctx.emit(nnMul, { a: column(key), b: row });
    state = kept ? ctx.emit(nnAdd, { a: kept, b: added }) : added;
    outputs.push(groupedProduct(ctx, at(query), state));
  }
  const together = outputs.length === 1 ? outputs[0] : ctx.emit(nnConcat, { xs: outputs }, { axis: 2 });
  const scale = Math.fround(ctx.attr.float('scale', 0) || 1 / Math.sqrt(size));
  const scaled = ctx.emit(nnMul, { a: together, b: ctx.scalar('f32', scale, 'scale') });
  const { dtype } = ctx.get('query').type;
  return [ctx.cast(besideHeads(ctx, scaled), dtype), ctx.cast(state as Value, past?.type.dtype ?? dtype)];
}

export const linearAttentionOps: readonly OnnxOp[] = [
  defineOnnxOp({
    name: 'LinearAttention',
    since: 27,
    inputs: ['query: T', 'key: T', 'value: T', 'past_state?', 'decay?', 'beta?'],
    outputs: 2,
    attributes: ['chunk_size', 'kv_num_heads', 'q_num_heads', 'scale', 'update_rule'],
    import: linearAttention,
  }),
];
