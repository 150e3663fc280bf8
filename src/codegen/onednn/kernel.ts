import { type ByteType, byteTypes } from '../../ir/index.ts';

/** Element types the addon computes with. */
export const nativeTypes = [...byteTypes, 's32', 'f32'] as const;
export type NativeType = (typeof nativeTypes)[number];

/** Element types that are cast, and compared. */
export const castTypes = [...nativeTypes, 's16'] as const;
export type CastType = (typeof castTypes)[number];

type Three = readonly [number, number, number];

/**
 * The fields that our convolution kernels share, in two dimensions; the result has the rows and columns of `output`.
 */
interface WindowKernel {
  readonly sourceType: ByteType;
  readonly weightsType: ByteType;
  readonly type: ByteType | 's32';
  readonly batch: number;
  readonly channels: number;
  readonly input: readonly [number, number];
  readonly output: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly padsBegin: readonly [number, number];
  readonly sourceZeroPoint: number;
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
}

/** y = clamp(((A·a + B·b + offset) >> shift) + zeroPoint), or clamp(rne(fl((a − za)(b − zb)·factor)) + zeroPoint). */
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
      readonly zeroPoints: readonly [number, number];
      readonly factor: number;
      readonly zeroPoint: number;
    };

/**
 * The kernels that oneDNN lacks; native/kernels implements them. Tensors are dense; `outer × channels × inner` is the row-major view of a tensor around its
 * channel axis (channels-last: inner = 1; per-tensor parameters: channels = 1). Arguments are source and destination
 * unless said; [?] marks optional ones. Each has a scalar twin in native/ that the tests compare it with.
 */
export type Kernel =
  /** destination[i] = table[source[i]]; argument `table`: 256 bytes indexed by the source byte as unsigned. In place. */
  | { readonly name: 'lut'; readonly count: number }
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
   * destination s32 = clamp(round(source·multiplier[c]) + zeroPoint, low, high), source s32[outer, channels, inner]: the arithmetics f64 and
   * fixed of `requantize`. Arguments `multiplier` f64 or s32 [channels], `shift` s32[channels] (for fixed). In place.
   */
  | {
      readonly name: 'rescale';
      readonly outer: number;
      readonly channels: number;
      readonly inner: number;
      readonly zeroPoint: number;
      readonly low: number;
      readonly high: number;
      readonly arithmetic: 'f64' | 'fixed';
      readonly rounding: 'half-even' | 'half-up' | 'half-away';
    }
  /** Depthwise convolution, channels last, any padding: padded taps read the source zero point, so they contribute 0.
   *  acc = Σ (x − zeroPoint)·(w − weightsZeroPoint[c]) + bias[c]; then as in requantize (type 's32' gives acc). The output has channels · multiplier
   *  channels; output channel o reads input channel floor(o / multiplier). Arguments `weights` [output channels, kh·kw], `weightsZeroPoint` [output channels] [?] of the same type,
   *  `bias` s32[output channels] [?], `multiplier` f32[output channels] (absent for 's32'): these are constants,
   *  packed when the session is made. */
  | (WindowKernel & {
      readonly name: 'depthwise';
      readonly multiplier: number;
    })
  /** Convolution, channels last, of constant weights; the sum, `multiplier`, types and padding as in `depthwise`. Arguments `weights`
   *  [outputChannels, channels / groups, kh, kw], `weightsZeroPoint` [outputChannels] [?] of the same type, `bias` s32[outputChannels] [?], `multiplier` f32[outputChannels]
   *  (absent for 's32'): these are constants, packed when the session is made. */
  | (WindowKernel & {
      readonly name: 'convolution';
      readonly outputChannels: number;
      readonly groups: number;
      /** True for weights [channels, outputChannels, kh, kw], of one group; false unless given. */
      readonly channelsFirst?: boolean;
    })
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
  /** N-D gather-scatter copy of elements of 1, 2, 4 or 8 bytes: transposes, concatenations, slices, layout changes. */
  | {
      readonly name: 'copy';
      readonly elementBytes: number;
      readonly shape: readonly number[];
      readonly sourceStrides: readonly number[];
      readonly destinationStrides: readonly number[];
      readonly sourceOffset: number;
      readonly destinationOffset: number;
    }
  /** destination[o, i, k] = source[o, positions[i], k], source dense over [outer, size, inner]. */
  | {
      readonly name: 'gather';
      readonly elementBytes: number;
      readonly outer: number;
      readonly size: number;
      readonly inner: number;
      readonly positions: readonly number[];
    }
  /** destination[i] = table[source[i]], positions s32 and below 0 counted from the end of `size` entries; beyond them it is the entry next to it. */
  | {
      readonly name: 'lookup';
      readonly elementBytes: number;
      readonly size: number;
      readonly count: number;
    }
  /** destination s64[outer, inner]: the position of the largest element along `length`, of equal ones the first, or the last; NaN is largest at the start alone. */
  | {
      readonly name: 'arg-max';
      readonly type: CastType;
      readonly outer: number;
      readonly length: number;
      readonly inner: number;
      readonly last: boolean;
    }
  /** destination (dense, `shape` + pads) = source surrounded by `value` (raw bits of one element). Pads are not negative. */
  | {
      readonly name: 'pad';
      readonly elementBytes: number;
      readonly shape: readonly number[];
      readonly padsBegin: readonly number[];
      readonly padsEnd: readonly number[];
      readonly value: number;
    }
  /** destination u8[rows, lanes], of which lane i is channel lanes[i] of source [rows, channels]; `flip`: u8 = s8 + 128. */
  | {
      readonly name: 'gather-channels';
      readonly rows: number;
      readonly channels: number;
      readonly lanes: readonly number[];
      readonly flip: boolean;
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
  /** Sums in fixed point and products of bytes of one type, by numerics/xnnpack_binary.ts; arguments source, source1, destination; broadcast as above. In place. */
  | (ByteSumOrProduct & {
      readonly type: ByteType;
      readonly shape: readonly number[];
      readonly sourceStrides: readonly number[];
      readonly source1Strides: readonly number[];
    })
  /** Arithmetic of f32, or of s32 modulo 2^32 (without div); arguments source, source1, destination; broadcast as above. In place. */
  | {
      readonly name: 'word-binary';
      readonly operation: 'add' | 'sub' | 'mul' | 'div';
      readonly type: 's32' | 'f32';
      readonly shape: readonly number[];
      readonly sourceStrides: readonly number[];
      readonly source1Strides: readonly number[];
    }
  /** destination[i] = table[a·256 + b] for any recipe of two 8-bit operands; arguments source, source1, `table`; broadcast as above. In place. */
  | {
      readonly name: 'binary-table';
      readonly shape: readonly number[];
      readonly sourceStrides: readonly number[];
      readonly source1Strides: readonly number[];
    }
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
    }
  /** destination[i] = source[i] as another type: floats truncated, then modulo 2^bits; NaN and infinities give 0. */
  | {
      readonly name: 'cast';
      readonly from: CastType;
      readonly to: CastType;
      readonly count: number;
    }
  /** f32: relu max(0, x), leaky-relu x ≥ 0 ? x : alpha·x, clip min(max(x, alpha), beta); NaN stays NaN, which no eltwise primitive of oneDNN keeps. In place. */
  | {
      readonly name: 'float-unary';
      readonly function: 'relu' | 'leaky-relu' | 'clip';
      readonly alpha: number;
      readonly beta: number;
      readonly count: number;
    }
  /** Pools of f32, channels last, over the taps inside the input (include-padding: divided by those inside the padded input); a maximum
   *  passes over NaN for any number; averages are summed in binary64 in the order of taps and rounded once. */
  | {
      readonly name: 'float-pool';
      readonly operation: 'max' | 'average-include-padding' | 'average-exclude-padding';
      readonly batch: number;
      readonly channels: number;
      readonly input: Three;
      readonly output: Three;
      readonly kernel: Three;
      readonly strides: Three;
      readonly dilations: Three;
      readonly padsBegin: Three;
      readonly padsEnd: Three;
    }
  /** Convolutions, transposed convolutions and matrix products of f32, channels last: per result the bias, then Σ over channels and
   *  within them over the taps inside the input, ascending, in binary64 (where each product is exact), rounded once. Arguments
   *  source, `weights` f32[groups, channels / groups, kernel…, outputs / groups] (by batch: one such for each element of it),
   *  `bias` f32[outputs] [?]. Padding is skipped, so that it meets no infinite weight. */
  | {
      readonly name: 'float-product';
      readonly batch: number;
      readonly channels: number;
      readonly outputs: number;
      readonly groups: number;
      readonly input: Three;
      readonly output: Three;
      readonly kernel: Three;
      readonly strides: Three;
      readonly dilations: Three;
      readonly padsBegin: Three;
      readonly transposed: boolean;
      readonly weightsByBatch: boolean;
    }
  /** f32[outer, length, inner] along `length`, in binary64, rounded once; NaN, +∞ or −∞ alone in a lane make all of it NaN. In place. */
  | { readonly name: 'softmax'; readonly outer: number; readonly length: number; readonly inner: number }
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
  | { readonly name: 'dynamic-quantize'; readonly count: number }
  /** The slow, obvious convolution Σ (x − zx)(w − zw[o]) in s32 for whatever no fast route covers; row major, N-D (spatial rank 3, leading 1s).
   *  arguments source [N, C, d, h, w], weights [O, C/groups, kd, kh, kw] (transposed: [C, O/groups, …] as in ONNX),
   *  `sourceZeroPoint` s32[1] [?], `weightsZeroPoint` s32[weightsZeroPoints] [?], destination s32[N, O, …]. */
  | {
      readonly name: 'reference-convolution';
      readonly sourceType: ByteType;
      readonly weightsType: ByteType;
      readonly batch: number;
      readonly inputChannels: number;
      readonly outputChannels: number;
      readonly groups: number;
      /** 1, or outputChannels. */
      readonly weightsZeroPoints: number;
      readonly input: readonly [number, number, number];
      readonly output: readonly [number, number, number];
      readonly kernel: readonly [number, number, number];
      readonly strides: readonly [number, number, number];
      readonly dilations: readonly [number, number, number];
      readonly padsBegin: readonly [number, number, number];
      readonly transposed: boolean;
    };
