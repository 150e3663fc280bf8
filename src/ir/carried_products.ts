/** Operators of files that multiply quantized numbers, by name: what is said of them where they are carried and not understood. */

/**
 * Where the zero points of quantized products are among their inputs; none: some are computed there, implied, or packed.
 * Operators of other domains than ONNX's own have theirs in front.
 */
export const carriedIntegerProducts: Readonly<Record<string, readonly number[]>> = {
  ConvInteger: [2, 3],
  MatMulInteger: [2, 3],
  QLinearConv: [2, 5],
  QLinearMatMul: [2, 5],
  'com.microsoft.QGemm': [2, 5],
  'com.microsoft.QLinearConv': [2, 5],
  'com.microsoft.MatMulIntegerToFloat': [4, 5],
  'com.microsoft.DynamicQuantizeMatMul': [],
  'com.microsoft.DynamicQuantizeLSTM': [],
  'com.microsoft.MatMulNBits': [],
  'com.microsoft.MatMulBnb4': [],
  'com.microsoft.QAttention': [],
  'com.microsoft.QMoE': [],
};

/** Float products of two factors, of all their operands, and recurrences and attentions. */
const floatProducts: readonly (readonly [RegExp, readonly number[]])[] = [
  [/^(com\.microsoft\.(nchwc\.)?)?(Fused)?(Conv|ConvTranspose|MatMul|Gemm|TransposeMatMul)$/, [0, 1]],
  [/^DeformConv$|^com\.microsoft\.(FusedMatMulActivation|GemmFastGelu|Attention)$/, [0, 1]],
  [/^(Einsum|LSTM|GRU|RNN|Attention)$/, [0, 1, 2]],
  [/^com\.microsoft\.(MultiHeadAttention|GroupQueryAttention)$/, [0, 1, 2]],
];

/**
 * The operands that a float operator multiplies: it is a quantized layer where one was dequantized; none: it is not a product, as
 * an Einsum of one operand, which moves and adds.
 */
export function carriedFactors(operator: string, operands: number): readonly number[] {
  const factors = floatProducts.find(([names]) => names.test(operator))?.[1] ?? [];
  return operands < 2 ? [] : factors;
}

/** What hands its first operand on, in another order, shape or type; a concatenation all of them. */
export const isCarriedMovement = (operator: string): boolean =>
  /^(Transpose|Reshape|Identity|Cast|Squeeze|Unsqueeze|Flatten|Expand|Slice|Concat|Split|Gather(ND|Elements)?|Tile|Pad|DepthToSpace|SpaceToDepth|Dropout|(Global)?MaxPool)$/.test(
    operator,
  );

/** What makes real numbers of quantized ones: operand 2 is the zero point. Quantizers of other domains do it in one. */
export const isCarriedDequantize = (operator: string): boolean => /(^|\.)DequantizeLinear$/.test(operator);

/** Operators of training tools that quantize and dequantize in one: what they feed is a quantized layer. */
export const isCarriedFakeQuantize = (operator: string): boolean =>
  /^(qonnx\.|onnx\.brevitas|mct_quantizers\.|org\.openvinotoolkit\.FakeQuantize)/.test(operator) &&
  /quant/i.test(operator);
