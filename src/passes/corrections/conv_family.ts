/**
 * The part that only rules of convolutions need, plain or transposed: convolutions with filters of ones, and conv(1,
 * w).
 */
import { assert } from '../../diagnostics/index.ts';
import {
  type ByteType,
  type ConvAttrs,
  type ITensor,
  type nnConv,
  type nnConvTranspose,
  nnExpand,
  type Shape,
  type Value,
} from '../../ir/index.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { filterSums, onesConvolution } from './ones_convolution.ts';
import { onesDeconvolution, uniformSums } from './ones_deconvolution.ts';
import * as products from './product_family.ts';

export interface ConvFamily extends products.ProductFamily {
  readonly plain: typeof nnConv | typeof nnConvTranspose;
  /** One zero point per filter, shaped to broadcast against weights of the given shape. */
  readonly perFilter: (zeroPoints: Value<'s32'>, w: Shape, group: number, a: Algebra) => Value<'s32'>;
  /** conv(1, w) as [1, O, output…]. */
  readonly ones: (w: ITensor<ByteType>, input: readonly number[], attrs: ConvAttrs) => ITensor<'s32'>;
  /** conv(1, w) as [1, O, 1…] where it is one number per filter, else undefined. `input` is undefined for a symbolic size. */
  readonly uniform: (
    w: ITensor<ByteType>,
    input: readonly number[] | undefined,
    attrs: ConvAttrs,
  ) => ITensor<'s32'> | undefined;
  readonly whyNotUniform: string;
  /** The ways that serve symbolic sizes, for hints. */
  readonly anySize: string;
}

export const convolution: ConvFamily = {
  ...products.convolution,
  perFilter: (zeroPoints, w, _group, a) => a.reshape(zeroPoints, [w[0], ...w.slice(1).map(() => 1)]),
  ones: onesConvolution,
  uniform: (w, _input, { pads, group }) =>
    pads.every((p) => p === 0) ? filterSums(w, { kind: 'conv', group }) : undefined,
  whyNotUniform: 'padded borders see fewer taps, so one number per filter would be wrong',
  anySize: 'pad or native',
};

export const transposedConvolution: ConvFamily = {
  ...products.transposedConvolution,
  perFilter(zeroPoints, [channels, filters, ...kernel], group, a) {
    const ones = kernel.map(() => 1);
    if (group === 1) return a.reshape(zeroPoints, [1, filters, ...ones]);
    assert(typeof channels === 'number', 'groups of channels have a known size');
    const grouped = a.reshape(zeroPoints, [group, 1, filters, ...ones]);
    const repeated = a.emit(nnExpand, { x: grouped }, { shape: [group, channels / group, filters, ...ones] });
    return a.reshape(repeated, [channels, filters, ...ones]);
  },
  ones: (w, input, attrs) => onesDeconvolution(w, input, products.withPadding(attrs)),
  uniform: (w, input, attrs) => uniformSums(w, input, products.withPadding(attrs)),
  whyNotUniform: 'taps per position differ with the stride phase and at the borders, so one number per filter is wrong',
  anySize: 'native',
};
