/** Operators that are read by the form in their declaration. */

import {
  type AttrSpec,
  type AttrValue,
  isList,
  keysOf,
  type OpOfForm,
  operandList,
  type Value,
} from '../../ir/index.ts';
import { defineOnnxOp, type OnnxOp } from './define_onnx_op.ts';
import type { NodeContext } from './node_context.ts';

/** Parts of files besides the form: attributes, outputs, and nodes that it does not read. */
interface Besides<D extends OpOfForm> extends Partial<Pick<OnnxOp, 'outputs' | 'attributes' | 'attributesUntil'>> {
  /** Reads a node in another way; undefined for one that is left to the form. */
  readonly import?: (ctx: NodeContext, op: D) => Value | readonly Value[] | undefined;
}

/** The ONNX operator that the form of one of ours declares. */
export function definedByForm<D extends OpOfForm>(op: D, besides: Besides<D> = {}): OnnxOp {
  const { opType, readSince = 1, inputs = ['X'], inputsSince = {}, broadcasts, ignored = [] } = op.onnx;
  const { import: read, attributes = [], ...rest } = besides;
  const isOptional = (key: string) => op.attrs[key].default !== undefined;
  const names = keysOf(op.attrs).flatMap((key) => (inputsSince[key] === 1 ? [] : [nameOf(op, key)]));
  return defineOnnxOp({
    name: opType,
    since: readSince,
    inputs: [...inputs, ...keysOf(inputsSince).map((key) => (isOptional(key) ? `${key}?` : key))],
    attributes: [...names, ...ignored, ...(broadcasts ? ['axis', 'broadcast', 'consumed_inputs'] : []), ...attributes],
    operandsSince: inputsSince,
    ...(broadcasts && { attributesUntil: { axis: 7, broadcast: 7 } }),
    ...rest,
    import: (ctx) => read?.(ctx, op) ?? byForm(ctx, op),
  });
}

/** The operator on the operands of the node, or on those that `operand` gives in their place. */
export function byForm(
  ctx: NodeContext,
  op: OpOfForm,
  operand: (i: number) => Value | undefined = (i) => ctx.operand(i),
): readonly Value[] {
  const { inputs = ['X'], broadcasts } = op.onnx;
  const names = keysOf(op.operands);
  const list = inputs.some((input) => input.includes('...')) ? ctx.rest() : undefined;
  const operands = list ?? names.map((_, i) => operand(i));
  const attrs = keysOf(op.attrs).map((key) => [key, attributeOf(ctx, op, key, operands[0]?.type.shape.length ?? 0)]);
  const [a, b] = operands;
  const given = broadcasts && a && b ? [a, spread(ctx, a, b)] : operands;
  const byName = names.map((name, i) => [name, list ?? given[i]]);
  return ctx.emitList(op, operandList(op, Object.fromEntries(byName)), Object.fromEntries(attrs));
}

/** Before version 7, B was broadcast onto A, its axes starting at `axis`, and only when `broadcast` said so. */
function spread(ctx: NodeContext, a: Value, b: Value): Value {
  if (ctx.opset >= 7 || !ctx.attr.flag('broadcast')) return b;
  const rank = b.type.shape.length;
  const axis = ctx.attr.int('axis', a.type.shape.length - rank);
  const behind = (axis < 0 ? axis + a.type.shape.length : axis) + rank;
  return ctx.reshape(b, [...b.type.shape, ...Array(Math.max(0, a.type.shape.length - behind)).fill(1)]);
}

const nameOf = ({ onnx }: OpOfForm, key: string): string => onnx.attributes?.[key]?.name ?? key;

/** An attribute of ours, from an input or an attribute of the node; `rank` is that of the first operand. */
function attributeOf(ctx: NodeContext, op: OpOfForm, key: string, rank: number): AttrValue {
  const value = givenOf(ctx, op, key) ?? op.attrs[key].default ?? ctx.refuse(`${nameOf(op, key)} is missing`);
  if (key === 'axis') return ctx.axis(Number(value), rank);
  if (key !== 'axes' || !isList(value)) return value;
  // an axis that is named twice counts once
  const axes = value.length > 0 ? value.map((axis) => ctx.axis(Number(axis), rank)) : [...Array(rank).keys()];
  return [...new Set(axes)].sort((a, b) => a - b);
}

/** An attribute as the node has it. */
export function givenOf(ctx: NodeContext, op: OpOfForm, key: string): AttrValue | undefined {
  const spec: AttrSpec = op.attrs[key];
  if (ctx.opset < (op.onnx.inputsSince?.[key] ?? Number.POSITIVE_INFINITY)) return ctx.attr.as(nameOf(op, key), spec);
  if (spec.kind === 'int') return ctx.scalarOf(key);
  return spec.kind === 'ints' ? ctx.integersOf(key) : ctx.sizesOf(key);
}
