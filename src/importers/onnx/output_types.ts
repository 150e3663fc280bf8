/**
 * The result types of operators that unskew does not know, one line for each kind, so that their readers are
 * understood.
 *
 * https://onnx.ai/onnx/operators, https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
 */
import {
  attention,
  branches,
  broadcast,
  broadcastDims,
  convolved,
  einsum,
  embedded,
  expanded,
  fixed,
  gathered,
  gatheredAlong,
  joined,
  lastIs,
  like,
  loop,
  moved,
  normalized,
  one,
  oneHot,
  type PartialType,
  packedAttention,
  product,
  type Rule,
  recurrent,
  reduced,
  resized,
  scan,
  shaped,
  skipNormalized,
  some,
  split,
  squeezed,
  type TypedNode,
  topK,
  typeNamed,
  unknown,
  windowed,
} from './type_rules.ts';

/** Names are parted by spaces. */
const table = (rule: Rule, names: string): readonly (readonly [string, Rule])[] =>
  names.split(/\s+/).map((name) => [name, rule]);
const microsoft = (rule: Rule, names: string): readonly (readonly [string, Rule])[] =>
  table(rule, names).map(([name]) => [`com.microsoft.${name}`, rule]);

export const typeRules: ReadonlyMap<string, Rule> = new Map([
  // elementwise operators, and others that keep the shape
  ...table(
    like(),
    `Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Celu Clip Cos Cosh CumProd CumSum Elu Erf Exp Floor
     Gelu HardSigmoid HardSwish Hardmax Identity InstanceNormalization GroupNormalization LRN LeakyRelu Log
     LogSoftmax LpNormalization Swish MeanVarianceNormalization Mish Neg Not RMSNormalization Reciprocal Relu
     ReverseSequence RotaryEmbedding Round Scatter ScatterElements ScatterND Selu Shrink Sigmoid Sign Sin Sinh
     Softmax Softplus Softsign Sqrt Tan Tanh TensorScatter ThresholdedRelu Trilu`,
  ),
  ...table(
    one((n) => ({ dtype: 'bool', dims: n.input(0).dims })),
    'IsInf IsNaN',
  ),
  ...table((n) => [n.input(0), { dtype: 'bool', dims: n.input(0).dims }], 'Dropout'),
  ...table(
    (n) => [n.input(0), ...Array.from({ length: 4 }, () => ({ dtype: n.input(3).dtype, dims: n.input(3).dims }))],
    'BatchNormalization',
  ),
  ...table(normalized, 'LayerNormalization SimplifiedLayerNormalization'),
  ...table(
    one((n) => ({ ...n.input(0), dtype: typeNamed(n, 'to') })),
    'Cast',
  ),
  ...table(
    one((n) => ({ ...n.input(0), dtype: n.input(1).dtype })),
    'CastLike',
  ),
  ...table(
    one((n) => ({ ...n.input(0), dtype: typeNamed(n, 'dtype', n.input(0).dtype) })),
    'Bernoulli EyeLike RandomNormalLike RandomUniformLike',
  ),
  ...table(
    one((n) => ({ dtype: typeNamed(n, 'dtype', 'f32'), dims: n.ints('shape') })),
    'RandomNormal RandomUniform',
  ),
  ...table(
    one((n) => ({ ...n.input(0), dtype: n.input(2).dtype ?? typeNamed(n, 'output_dtype', 'u8') })),
    'QuantizeLinear',
  ),
  ...table(
    one((n) => ({ ...n.input(0), dtype: typeNamed(n, 'output_dtype', n.input(1).dtype) })),
    'DequantizeLinear',
  ),
  ...table(
    (n) => [
      { dtype: 'u8', dims: n.input(0).dims },
      { dtype: 'f32', dims: [] },
      { dtype: 'u8', dims: [] },
    ],
    'DynamicQuantizeLinear',
  ),

  // broadcasting
  ...table(broadcast(2), 'Add BitShift BitwiseAnd BitwiseOr BitwiseXor Div Mod Mul PRelu Pow Sub'),
  ...table(broadcast(2, 'bool'), 'And Equal Greater GreaterOrEqual Less LessOrEqual Or Xor'),
  ...table(broadcast(3, undefined, 1), 'Where'),

  // products and windows
  ...table(product, 'MatMul Gemm'),
  ...table((n) => [{ ...product(n)[0], dtype: 's32' }], 'MatMulInteger'),
  ...table((n) => [{ ...convolved(n)[0], dtype: 's32' }], 'ConvInteger'),
  ...table((n) => [{ ...convolved(n)[0], dtype: n.input(7).dtype }], 'QLinearConv'),
  ...table(convolved, 'Conv DeformConv'),
  ...table(
    one((n) => ({
      dtype: n.input(0).dtype,
      dims: n.input(0).dims?.map((dim, axis) => (axis === 0 ? dim : undefined)),
    })),
    'ConvTranspose DepthToSpace SpaceToDepth',
  ),
  ...table(
    one((n) => {
      const rank = n.input(1).dims?.[0];
      const isKnown = typeof rank === 'number';
      return {
        dtype: n.input(0).dtype,
        ...(isKnown && { dims: [n.input(0).dims?.[0], ...Array(rank + 1).fill(undefined)] }),
      };
    }),
    'Col2Im',
  ),
  ...table(windowed, 'AveragePool LpPool MaxPool MaxUnpool'),
  ...table(
    one((n) => ({ ...n.input(0), dims: n.input(0).dims?.map((dim, axis) => (axis < 2 ? dim : 1)) })),
    'GlobalAveragePool GlobalLpPool GlobalMaxPool',
  ),
  ...table(
    one((n) => {
      const [{ dtype, dims }, grid] = [n.input(0), n.input(1)];
      return { dtype, dims: grid.dims && [dims?.[0], dims?.[1], ...grid.dims.slice(1, -1)] };
    }),
    'GridSample',
  ),
  ...table(
    one((n) => ({
      dtype: n.input(0).dtype,
      dims: [n.input(1).dims?.[0], n.input(0).dims?.[1], n.int('output_height') ?? 1, n.int('output_width') ?? 1],
    })),
    'RoiAlign',
  ),
  ...table(einsum, 'Einsum'),
  ...table(attention, 'Attention'),
  ...table(recurrent, 'LSTM GRU RNN'),

  // reductions and choices
  ...table(
    reduced,
    `ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
     ReduceSumSquare`,
  ),
  ...table(topK, 'TopK'),
  ...table(
    one((n) => ({ dtype: 's64', dims: [n.input(0).dims?.length, undefined] })),
    'NonZero',
  ),
  ...table(fixed('s64', undefined, 3), 'NonMaxSuppression'),
  ...table(some, 'Unique'),
  ...table(
    one((n) => ({ dtype: n.input(0).dtype, dims: n.int('axis') === undefined ? [undefined] : resized(n)[0].dims })),
    'Compress',
  ),
  ...table(oneHot, 'OneHot'),
  ...table(
    one((n) => ({ dtype: n.input(0).dtype, dims: n.input(0).dims?.slice(0, -2) })),
    'Det',
  ),

  // shapes
  ...table(shaped(1), 'Reshape'),
  ...table(expanded, 'Expand'),
  ...table(
    shaped(0, (n) => n.tensorType('value') ?? 'f32'),
    'ConstantOfShape',
  ),
  ...table(resized, 'Pad Resize Slice Tile Upsample DFT'),
  ...table(split, 'Split'),
  ...table(squeezed(1), 'Unsqueeze'),
  ...table(squeezed(-1), 'Squeeze'),
  ...table(joined, 'Concat'),
  ...table(moved, 'Transpose'),
  ...table(
    one((n) => ({ dtype: n.input(0).dtype, dims: [undefined, undefined] })),
    'Flatten',
  ),
  ...table(
    one((n) => ({ dtype: n.input(0).dtype, dims: [undefined] })),
    'Range',
  ),
  ...table(gatheredAlong, 'Gather'),
  ...table(
    one((n) => ({ dtype: n.input(0).dtype, dims: n.input(1).dims })),
    'GatherElements',
  ),
  ...table(gathered, 'GatherND'),
  ...table(
    one((n) => ({ dtype: typeNamed(n, 'output_datatype', 'f32'), dims: [n.elements(0)?.[0]] })),
    'BlackmanWindow HammingWindow HannWindow',
  ),
  ...table(
    one((n) => ({ dtype: n.input(0).dtype, dims: unknown(4) })),
    'STFT',
  ),

  // bodies
  ...table(branches, 'If'),
  ...table(loop, 'Loop'),
  ...table(scan, 'Scan'),

  // com.microsoft
  ...microsoft(
    like(),
    `BiasAdd BiasGelu BiasSoftmax FastGelu Gelu GroupNorm Inverse MoE QMoE QuickGelu QLinearSoftmax
     QLinearLeakyRelu QLinearSigmoid Rfft SkipGroupNorm Trilu BiasDropout RotaryEmbedding`,
  ),
  ...microsoft(skipNormalized, 'SkipLayerNormalization SkipSimplifiedLayerNormalization'),
  ...microsoft(normalized, 'SimplifiedLayerNormalization LayerNormalization'),
  ...microsoft(embedded, 'EmbedLayerNormalization'),
  ...microsoft(packedAttention, 'Attention QAttention'),
  ...microsoft(attention, 'GroupQueryAttention MultiHeadAttention'),
  ...microsoft(product, 'FusedMatMul FusedGemm TransposeMatMul FusedMatMulActivation GemmFastGelu'),
  ...microsoft((n) => [{ ...product(n)[0], dtype: n.input(2).dtype ?? 'f32' }], 'MatMulIntegerToFloat'),
  ...microsoft(product, 'DynamicQuantizeMatMul'),
  ...microsoft(
    lastIs((n) => n.int('N')),
    'MatMulNBits MatMulBnb4 MatMulFpQ4',
  ),
  ...microsoft(convolved, 'FusedConv'),
  ...microsoft(recurrent, 'DynamicQuantizeLSTM'),
  ...microsoft(broadcast(2), 'BitwiseAnd'),
  ...microsoft(
    one((n) => ({ dtype: n.input(0).dtype, dims: broadcastDims([n.input(0).dims, n.input(3).dims]) })),
    'QLinearAdd QLinearMul',
  ),
  ...microsoft(resized, 'QLinearAveragePool QLinearConcat CropAndResize'),
]);

/** The types of the outputs as far as they follow; undefined where nothing is known of the operator. */
export const outputTypes = (domain: string, operator: string, node: TypedNode): readonly PartialType[] | undefined =>
  typeRules.get(domain === '' ? operator : `${domain}.${operator}`)?.(node);
