/** Kernels over quantized tensors. */

import type { ByteType } from '../../../ir/index.ts';
import type { Following, follows } from './following.ts';
import type { ChannelSlice, PoolWindows } from './native_types.ts';

/**
 * Zero points and scales of a, b and y, in this order:
 *
 *   byte-sum          y = clamp(((A·a + B·b + offset) >> shift) + zeroPoint)
 *   byte-product      y = clamp(rne(fl((a − za)(b − zb)·factor)) + zy)
 *   dequantized-add   y = clamp(rne(fl(fl(fma(sa, a, fl(−sa·za)) + fma(sb, b, fl(−sb·zb)))·fl(1/sy))) + zy)
 */
export type ByteSumOrProduct =
  | {
      readonly name: 'byte-sum';
      readonly multipliers: readonly [number, number];
      readonly offset: number;
      readonly shift: number;
      readonly zeroPoint: number;
    }
  | {
      readonly name: 'byte-product';
      readonly zeroPoints: readonly [number, number, number];
      readonly factor: number;
    }
  | {
      readonly name: 'dequantized-add';
      readonly zeroPoints: readonly [number, number, number];
      readonly scales: readonly [number, number, number];
    };

export type QuantizedKernel =
  /**
   * destination[i] = table[source[i]]; argument `table`: 256 bytes indexed by the source byte as unsigned. In place unless the destination is a slice,
   * of positions of `channels` bytes.
   */
  | { readonly name: 'lut'; readonly count: number; readonly channels?: number; readonly slice?: ChannelSlice }
  /**
   * destination = sat(round(fl(source / scale)) + zeroPoint), or fl(source · scale); NaN gives the lowest value. Arguments `scale`
   * f32[channels], `zeroPoint` s32[channels] [?].
   */
  | {
      readonly name: 'quantize';
      readonly type: ByteType;
      readonly outer: number;
      readonly channels: number;
      readonly inner: number;
      /** `divide` unless given. */
      readonly arithmetic?: 'divide' | 'multiply';
      /** `half-even` unless given. */
      readonly rounding?: 'half-even' | 'half-away';
    }
  /** destination f32 = fl(fl(source − zeroPoint) · scale), the difference in wrapping s32; source of `type`; arguments as above. */
  | {
      readonly name: 'dequantize';
      readonly type: ByteType | 's32';
      readonly outer: number;
      readonly channels: number;
      readonly inner: number;
    }
  /**
   * v = source + bias[c] + map[(o mod mapRows)·channels + c] + row[o·groups + g(c)]·column[c]  (s32, wrapping; absent arguments add nothing)
   * destination = clamp(round(t·multiplier[c]) + zeroPoint, low, high), or v itself for type 's32' (in place).
   *   f32    t = fl(fl(fl(v)·scale[c]) + offset[c]), the product in binary32
   *   f64    t = v, the product in binary64
   *   fixed  RDivPOT(SRDHM(v·2^max(s, 0), multiplier[c]), max(−s, 0)), s = shift[c]: two roundings of its own
   * zeroPointAt 'before' (not for fixed): round(t·multiplier[c] + zeroPoint), the sum rounded as the product is.
   * source s32[outer, channels, inner]; arguments `bias` s32[channels] [?], `map` s32[mapRows, channels] [?] (inner = 1 only),
   * `row` s32[outer, groups] and `column` s32[channels] [? both], `multiplier` f32, f64 or s32 [channels] (absent for 's32'),
   * `scale`, `offset` f32[channels] [? both, for f32], `shift` s32[channels] (for fixed).
   * g(c) = floor(c·groups / channels); mapRows is 0 without a map, groups 1 without rows.
   */
  | {
      readonly name: 'requantize';
      readonly type: ByteType | 's32';
      readonly outer: number;
      readonly channels: number;
      readonly inner: number;
      readonly groups: number;
      readonly mapRows: number;
      readonly zeroPoint: number;
      readonly low: number;
      readonly high: number;
      /** `f32`, `half-even` and `after` unless given: the recipe of ONNX Runtime. */
      readonly arithmetic?: 'f32' | 'f64' | 'fixed';
      readonly rounding?: 'half-even' | 'half-up' | 'half-away';
      readonly zeroPointAt?: 'before' | 'after';
    }
  /**
   * destination s32 = clamp(round(source·multiplier[c]) + zeroPoint, low, high), source s32 or s64 [outer, channels, inner]: the arithmetics
   * f64 and fixed of `requantize` (fixed of s32 alone), and multiplyWide of numerics/tflite.ts. Arguments `multiplier` f64, or s32 for fixed,
   * [channels], `shift` s32[channels] (for fixed), `divisor` f64[channels] (for fixed-wide: see wideFactors). In place where both are s32.
   */
  | {
      readonly name: 'rescale';
      readonly sourceType: 's32' | 's64';
      readonly outer: number;
      readonly channels: number;
      readonly inner: number;
      readonly zeroPoint: number;
      readonly low: number;
      readonly high: number;
      readonly arithmetic: 'f64' | 'fixed' | 'fixed-wide';
      readonly rounding: 'half-even' | 'half-up' | 'half-away';
    }
  /**
   * Rows and columns at other sizes, channels last: with the neighbours a, b above and below on the left and c, d on the right, the
   * weights v of the lower ones and h of the right ones, and u = 2^bits,
   *   half-up, half-away   round(((u − h)((u − v)·a + v·b) + h((u − v)·c + v·d)) / u²), clamped
   *   in-f32               ⌊Σ + ½⌋, Σ of the four products in binary32: see src/numerics/tflite_resize.ts; bits are 0
   * source [outer, input, inner]; arguments `rows` and `columns`: s32[2, size], the places of the first neighbours and of the
   * second ones, `rowWeights`, `columnWeights` s32 or f32 [size]: all four are constants.
   */
  | {
      readonly name: 'linear-resize';
      readonly type: ByteType;
      readonly outer: number;
      readonly input: readonly [number, number];
      readonly output: readonly [number, number];
      readonly inner: number;
      readonly bits: number;
      readonly rounding: 'half-up' | 'half-away' | 'in-f32';
    }
  /**
   * The recipes of ONNX Runtime's QLinearAdd and QLinearMul (src/numerics holds the formula); operands broadcast by
   * strides (0 where broadcast); destination dense over `shape`. Arguments source, source1. In place (dense operand).
   */
  | {
      readonly name: 'qlinear-add' | 'qlinear-mul';
      readonly sourceType: ByteType;
      readonly source1Type: ByteType;
      readonly type: ByteType;
      readonly shape: readonly number[];
      readonly sourceStrides: readonly number[];
      readonly source1Strides: readonly number[];
      readonly scales: readonly [number, number, number];
      readonly zeroPoints: readonly [number, number, number];
    }
  /** Sums and products of bytes of one type, by numerics/xnnpack_binary.ts and torch.ts; arguments source, source1, destination; broadcast as above. In place. */
  | (ByteSumOrProduct & {
      readonly type: ByteType;
      readonly shape: readonly number[];
      readonly sourceStrides: readonly number[];
      readonly source1Strides: readonly number[];
    })
  /** destination[i] = table[a·256 + b] for any recipe of two 8-bit operands; arguments source, source1, `table`; broadcast as above. In place. */
  | {
      readonly name: 'binary-table';
      readonly shape: readonly number[];
      readonly sourceStrides: readonly number[];
      readonly source1Strides: readonly number[];
    }
  /** The mean of the taps inside the input, channels last: with scales by the formula of numerics/qlinear_pool.ts, without them that of the
   *  integers, by numerics/tflite_pool.ts. */
  | (PoolWindows & {
      readonly name: 'byte-average-pool';
      readonly type: ByteType;
      /** Taps outside of the input count as zeros. */
      readonly countsPadding: boolean;
      readonly sourceScale?: number;
      readonly sourceZeroPoint?: number;
      readonly scale?: number;
      readonly zeroPoint?: number;
    })
  /** The largest tap inside the input, channels last; the lowest value of the type where there is none. */
  | (PoolWindows & { readonly name: 'byte-max-pool'; readonly type: ByteType })
  /** acc[n, c] = Σ over `spatial` positions of (x − sourceZeroPoint) (channels last); destination as in requantize with one multiplier, or acc for type 's32'. */
  | {
      readonly name: 'global-average-pool';
      readonly sourceType: ByteType;
      readonly type: ByteType | 's32';
      readonly batch: number;
      readonly spatial: number;
      readonly channels: number;
      readonly sourceZeroPoint: number;
      readonly multiplier: number;
      readonly zeroPoint: number;
      readonly [follows]?: Following;
    }
  /** Bytes [outer, length, inner] along `length`, by numerics/qlinear_softmax.ts; arguments source, `table` f32[256], destination. In place. */
  | {
      readonly name: 'qlinear-softmax';
      readonly type: ByteType;
      readonly outer: number;
      readonly length: number;
      readonly inner: number;
      /** ⌊fl(1/sy)⌋. */
      readonly steps: number;
      readonly zeroPoint: number;
    }
  /** The recipe litert of numerics/tflite_softmax.ts: as above, with y in steps of `scale`. */
  | {
      readonly name: 'float-byte-softmax';
      readonly sourceType: ByteType;
      /** That of the source, or s16. */
      readonly type: ByteType | 's16';
      readonly outer: number;
      readonly length: number;
      readonly inner: number;
      readonly scale: number;
      readonly zeroPoint: number;
    }
  /** The recipe tflite of numerics/tflite_softmax.ts: as above, `table` s32[256]; the least integer is 0, the step 2^-8 or 2^-16. Lengths below 2^13. */
  | {
      readonly name: 'fixed-byte-softmax';
      readonly sourceType: ByteType;
      /** That of the source, or s16. */
      readonly type: ByteType | 's16';
      readonly outer: number;
      readonly length: number;
      readonly inner: number;
    }
  /** ONNX DynamicQuantizeLinear by ONNX Runtime's rule; arguments source f32, destination u8, scale f32[1], zeroPoint u8[1]. */
  | {
      readonly name: 'dynamic-quantize';
      /** `onnx` unless given; src/numerics has each. The first two write u8, the others s8. */
      readonly recipe?: 'onnx' | 'torch' | 'symmetric' | 'asymmetric' | 'xnnpack';
      /** The greatest zero point of `torch`; 255 unless given. */
      readonly high?: number;
      readonly rows: number;
      readonly length: number;
    };
