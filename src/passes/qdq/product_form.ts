/** The three operators that sum products, as grouping sees them: where their channels are and what they become. */

import { type AnyOp, isStatic, type Node, type Shape, sizeOf, type Value, view } from '../../ir/index.ts';
import { nnConv, nnConvTranspose } from '../../ir/ops/nn_conv.op.ts';
import { nnMatmul } from '../../ir/ops/nn_matmul.op.ts';
import { qnnConv } from '../../ir/ops/qnn_conv.op.ts';
import { qnnConvTranspose } from '../../ir/ops/qnn_conv_transpose.op.ts';
import { qnnMatmul } from '../../ir/ops/qnn_matmul.op.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import { present } from '../rewrite/rule.ts';
import type { Eight } from './parameters.ts';

export type Operands = {
  readonly x: Value<Eight>;
  readonly w: Value<Eight>;
  readonly zx?: Value<Eight>;
  readonly zw?: Value<Eight>;
};

/** The operands of a product of floats. */
export interface Factors {
  readonly x: Value;
  readonly w: Value;
  readonly bias?: Value<'f32' | 'f64'>;
}

/** Nodes that are asked about are of `op`. */
export interface ProductForm {
  readonly op: AnyOp;
  /** The operands in words, for reasons. */
  readonly roles: readonly [string, string];
  readonly channels: string;
  factors(graph: GraphEditor, node: Node): Factors;
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

const known = (dims: Shape): number | undefined => (isStatic(dims) ? sizeOf(dims) : undefined);
const conv = (node: Node) => present(view(nnConv, node)).attrs;
const convTranspose = (node: Node) => present(view(nnConvTranspose, node)).attrs;

export const convForm: ProductForm = {
  op: nnConv,
  roles: ['the input', 'the filter'],
  channels: 'the output channels, axis 0',
  factors: (graph, node) => present(graph.view(nnConv, node)),
  weightsAxis: () => 0,
  channelAxis: () => 1,
  repeats: () => 1,
  depthwise(node, x, [filters]) {
    const { group } = conv(node);
    return typeof filters === 'number' && group === x[1] ? filters / group : undefined;
  },
  terms: (_x, w) => known(w.slice(1)),
  emit: (a, operands, node) => a.emit(qnnConv, operands, conv(node)),
};

/** w: [C, O/group, kernel…]: a scale per filter of a group serves the same filter of every group. */
export const convTransposeForm: ProductForm = {
  op: nnConvTranspose,
  roles: ['the input', 'the filter'],
  channels: 'the output channels, axis 1',
  factors: (graph, node) => present(graph.view(nnConvTranspose, node)),
  knownWeights: 'ONNX has no integer ConvTranspose, and the float one is exact only for known filters',
  weightsAxis: () => 1,
  channelAxis: () => 1,
  repeats: (node) => convTranspose(node).group,
  depthwise: (node, x, [, perGroup]) =>
    typeof perGroup === 'number' && convTranspose(node).group === x[1] ? perGroup : undefined,
  terms: (_x, w) => known([w[0], ...w.slice(2)]),
  emit: (a, operands, node) => a.emit(qnnConvTranspose, operands, convTranspose(node)),
};

export const matmulForm: ProductForm = {
  op: nnMatmul,
  roles: ['the left operand', 'the right operand'],
  channels: 'the columns, its last axis',
  factors(graph, node) {
    const { a, b } = present(graph.view(nnMatmul, node));
    return { x: a, w: b };
  },
  weightsAxis: (w) => (w.length === 1 ? -1 : w.length - 1),
  channelAxis: (y) => Math.max(y.length - 1, 0),
  repeats: () => 1,
  depthwise: () => undefined,
  terms: (x, w) => known(x.slice(-1)) ?? known(w.length === 1 ? w : w.slice(-2, -1)),
  emit: (a, { x, w, zx, zw }) => a.emit(qnnMatmul, { a: x, b: w, ...(zx && { za: zx }), ...(zw && { zb: zw }) }),
};
