/** The three operators that sum products, as grouping sees them: where their channels are and what they become. */
import { type AnyOp, type Node, type Shape, sizeOf, type Value } from '../../ir/index.ts';
import type { ConvAttrs } from '../../ir/ops/conv_geometry.ts';
import type { DeconvAttrs } from '../../ir/ops/deconvolve.ts';
import { nnConv, nnConvTranspose } from '../../ir/ops/nn_conv.op.ts';
import { nnMatmul } from '../../ir/ops/nn_matmul.op.ts';
import { qnnConv } from '../../ir/ops/qnn_conv.op.ts';
import { qnnConvTranspose } from '../../ir/ops/qnn_conv_transpose.op.ts';
import { qnnMatmul } from '../../ir/ops/qnn_matmul.op.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { Eight } from './parameters.ts';

export interface Operands {
  readonly x: Value<Eight>;
  readonly w: Value<Eight>;
  readonly zx?: Value<Eight>;
  readonly zw?: Value<Eight>;
}

export interface ProductForm {
  readonly op: AnyOp;
  /** The operands in words, for reasons. */
  readonly roles: readonly [string, string];
  readonly channels: string;
  /** The axis of the weights along which result channels lie. */
  weightsAxis(w: Shape): number;
  /** The axis of the result that holds the channels. */
  channelAxis(y: Shape): number;
  /** Why computed weights stay float, where they do. */
  readonly knownWeights?: string;
  /** How many result channels read one channel of the input, and no other: of depthwise products. Undefined where sums cross channels. */
  depthwise(node: Node, x: Shape, w: Shape): number | undefined;
  /** How often one period of the weights axis is repeated over the result channels. */
  repeats(node: Node): number;
  /** Terms in one sum, undefined when only the run knows. */
  terms(x: Shape, w: Shape): number | undefined;
  emit(a: Algebra, operands: Operands, node: Node): Value<'s32'>;
}

const known = (dims: Shape): number | undefined =>
  dims.every((dim) => typeof dim === 'number') ? sizeOf(dims as readonly number[]) : undefined;

export const convForm: ProductForm = {
  op: nnConv,
  roles: ['the input', 'the filter'],
  channels: 'the output channels, axis 0',
  weightsAxis: () => 0,
  channelAxis: () => 1,
  repeats: () => 1,
  depthwise: ({ attrs }, x, w) =>
    typeof w[0] === 'number' && attrs.group === x[1] ? w[0] / (attrs.group as number) : undefined,
  terms: (_x, w) => known(w.slice(1)),
  emit: (a, operands, { attrs }) => a.emit(qnnConv, operands, attrs as unknown as ConvAttrs),
};

/** w: [C, O/group, kernel…]: a scale per filter of a group serves the same filter of every group. */
export const convTransposeForm: ProductForm = {
  op: nnConvTranspose,
  roles: ['the input', 'the filter'],
  channels: 'the output channels, axis 1',
  knownWeights: 'ONNX has no integer ConvTranspose, and the float one is exact only for known filters',
  weightsAxis: () => 1,
  channelAxis: () => 1,
  repeats: ({ attrs }) => attrs.group as number,
  depthwise: ({ attrs }, x, w) => (typeof w[1] === 'number' && attrs.group === x[1] ? w[1] : undefined),
  terms: (_x, w) => known([w[0], ...w.slice(2)]),
  emit: (a, operands, { attrs }) => a.emit(qnnConvTranspose, operands, attrs as unknown as DeconvAttrs),
};

export const matmulForm: ProductForm = {
  op: nnMatmul,
  roles: ['the left operand', 'the right operand'],
  channels: 'the columns, its last axis',
  weightsAxis: (w) => (w.length === 1 ? -1 : w.length - 1),
  channelAxis: (y) => Math.max(y.length - 1, 0),
  repeats: () => 1,
  depthwise: () => undefined,
  terms: (x, w) => known(x.slice(-1)) ?? known(w.length === 1 ? w : w.slice(-2, -1)),
  emit: (a, { x, w, zx, zw }) => a.emit(qnnMatmul, { a: x, b: w, ...(zx && { za: zx }), ...(zw && { zb: zw }) }),
};
