/**
 * What a rule of convolutions asks of its root operator, plain or transposed. The laws are the same for both; they differ
 * in where the weights have their filters, and in conv(1, w).
 */

import { assert } from '../../diagnostics/index.ts';
import { type DType, type ITensor, type Shape, sizeOf, type Value } from '../../ir/index.ts';
import type { ConvAttrs } from '../../ir/ops/conv_geometry.ts';
import type { DeconvAttrs } from '../../ir/ops/deconvolve.ts';
import { nnConv, nnConvTranspose } from '../../ir/ops/nn_conv.op.ts';
import { nnExpand } from '../../ir/ops/nn_movement.op.ts';
import { qnnConv } from '../../ir/ops/qnn_conv.op.ts';
import { qnnConvTranspose } from '../../ir/ops/qnn_conv_transpose.op.ts';
import { transposed } from '../../ir/ops/strided.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { present } from '../rewrite/rule.ts';
import { filterSums, onesConvolution } from './ones_convolution.ts';
import { onesDeconvolution, uniformSums } from './ones_deconvolution.ts';
import type { ConvMatch, Eight } from './operands.ts';

/** Attributes are passed on as they are; a transposed convolution has one more of them. */
export interface ConvFamily {
  readonly root: typeof qnnConv | typeof qnnConvTranspose;
  readonly plain: typeof nnConv | typeof nnConvTranspose;
  /** An integer convolution without zero points. */
  readonly conv: (a: Algebra, x: Value<Eight>, w: Value<Eight>, attrs: ConvAttrs) => Value<'s32'>;
  /** The name of a rule, and its law in terms of this operator. */
  readonly rule: (name: string) => string;
  readonly law: (ofConvolutions: string) => string;
  /** The weights as [O, C/group, kernel…], and such ones as the operator has them. */
  readonly filtersFirst: <D extends DType>(w: ITensor<D>, group: number) => ITensor<D>;
  readonly asWeights: <D extends DType>(filters: ITensor<D>, group: number) => ITensor<D>;
  /** How many filters weights of that shape have. */
  readonly filters: (w: readonly number[], group: number) => number;
  /** The shape of one filter of ones per group, for weights of that shape. */
  readonly onesShape: (w: readonly number[], group: number) => readonly number[];
  /** One zero point per filter, shaped to broadcast against weights of that shape. */
  readonly perFilter: (zeroPoints: Value<'s32'>, w: Shape, group: number, a: Algebra) => Value<'s32'>;
  /** conv(1, filters) as [1, O, output…]. */
  readonly ones: (filters: ITensor<Eight>, input: readonly number[], attrs: ConvAttrs) => ITensor<'s32'>;
  /** conv(1, filters) as [1, O, 1…] where it is one number per filter, else undefined. `input` is undefined for a symbolic size. */
  readonly uniform: (
    filters: ITensor<Eight>,
    input: readonly number[] | undefined,
    attrs: ConvAttrs,
  ) => ITensor<'s32'> | undefined;
  readonly whyNotUniform: string;
  /** The ways that serve symbolic sizes, for hints. */
  readonly anySize: string;
}

const same = <T>(value: T): T => value;

/** The attributes of a transposed convolution, which the rules pass on. */
function withPadding(attrs: ConvAttrs & Partial<DeconvAttrs>): DeconvAttrs {
  const { outputPadding } = attrs;
  assert(outputPadding, 'a transposed convolution has an output padding');
  return { ...attrs, outputPadding };
}

export const convolution: ConvFamily = {
  root: qnnConv,
  plain: nnConv,
  conv: (a, x, w, attrs) => a.emit(nnConv, { x, w }, attrs),
  rule: same,
  law: same,
  filtersFirst: same,
  asWeights: same,
  filters: ([filters]) => filters,
  onesShape: ([, channels, ...kernel], group) => [group, channels, ...kernel],
  perFilter: (zeroPoints, w, _group, a) => a.reshape(zeroPoints, [w[0], ...w.slice(1).map(() => 1)]),
  ones: onesConvolution,
  uniform: (filters, _input, { pads }) => (pads.every((p) => p === 0) ? filterSums(filters) : undefined),
  whyNotUniform: 'padded borders see fewer taps, so one number per filter would be wrong',
  anySize: 'pad or native',
};

export const transposedConvolution: ConvFamily = {
  root: qnnConvTranspose,
  plain: nnConvTranspose,
  conv: (a, x, w, attrs) => a.emit(nnConvTranspose, { x, w }, withPadding(attrs)),
  rule: (name) => `${name}-transpose`,
  law: (text) => text.replaceAll('conv(', 'convᵀ('),
  filtersFirst: ({ dtype, shape: [channels, filters, ...kernel], data }, group) =>
    exchanged(
      dtype,
      data,
      [group, channels / group, filters, sizeOf(kernel)],
      [group * filters, channels / group, ...kernel],
    ),
  asWeights: ({ dtype, shape: [filters, channels, ...kernel], data }, group) =>
    exchanged(
      dtype,
      data,
      [group, filters / group, channels, sizeOf(kernel)],
      [channels * group, filters / group, ...kernel],
    ),
  filters: ([, filters], group) => filters * group,
  onesShape: ([channels, , ...kernel]) => [channels, 1, ...kernel],
  perFilter(zeroPoints, [channels, filters, ...kernel], group, a) {
    const ones = kernel.map(() => 1);
    if (group === 1) return a.reshape(zeroPoints, [1, filters, ...ones]);
    assert(typeof channels === 'number', 'groups of channels have a known size');
    const grouped = a.reshape(zeroPoints, [group, 1, filters, ...ones]);
    const repeated = a.emit(nnExpand, { x: grouped }, { shape: [group, channels / group, filters, ...ones] });
    return a.reshape(repeated, [channels, filters, ...ones]);
  },
  ones: (filters, input, attrs) => onesDeconvolution(filters, input, withPadding(attrs)),
  uniform: (filters, input, attrs) => uniformSums(filters, input, withPadding(attrs)),
  whyNotUniform: 'taps per position differ with the stride phase and at the borders, so one number per filter is wrong',
  anySize: 'native',
};

/** The constant weights of a match, filters first: [O, C/group, kernel…]. */
export const filtersOf = (
  { filtersFirst }: ConvFamily,
  { w, attrs, constant }: Pick<ConvMatch, 'w' | 'attrs' | 'constant'>,
): ITensor<Eight> => filtersFirst(present(constant(w)), attrs.group);

/** [a, b, c, taps] → [a, c, b, taps], under another name. */
function exchanged<D extends DType>(
  dtype: D,
  data: ITensor<D>['data'],
  view: readonly number[],
  shape: readonly number[],
): ITensor<D> {
  return { ...transposed({ dtype, data, shape: view }, [0, 2, 1, 3]), shape };
}
