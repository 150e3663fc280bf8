/**
 * Operators of files that multiply quantized numbers, by name: facts about those that are carried and not understood.
 */

/**
 * The indices of zero points among the inputs of quantized products; an empty list when some are computed inside,
 * implied or packed. Operators outside ONNX's own domain carry the name of their domain in front.
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
 * The operands that a float operator multiplies. The operator is a quantized layer when one of them was dequantized.
 * Empty for operators that are not products, such as an Einsum of one operand, which moves and adds.
 */
export function carriedFactors(operator: string, operands: number): readonly number[] {
  const factors = floatProducts.find(([names]) => names.test(operator))?.[1] ?? [];
  return operands < 2 ? [] : factors;
}

/**
 * True for operators that pass their first operand on in another order, shape or type; a concatenation passes all of
 * them.
 */
export const isCarriedMovement = (operator: string): boolean =>
  /^(Transpose|Reshape|Identity|Cast|Squeeze|Unsqueeze|Flatten|Expand|Slice|Concat|Split|Gather(ND|Elements)?|Tile|Pad|DepthToSpace|SpaceToDepth|Dropout|(Global)?MaxPool)$/.test(
    operator,
  );

/** True for operators that turn quantized numbers into real ones: operand 2 is the zero point. */
export const isCarriedDequantize = (operator: string): boolean => /(^|\.)DequantizeLinear$/.test(operator);

/** Operators of training tools that quantize and dequantize in one: what they feed is a quantized layer. */
export const isCarriedFakeQuantize = (operator: string): boolean =>
  /^(qonnx\.|onnx\.brevitas|mct_quantizers\.|org\.openvinotoolkit\.FakeQuantize)/.test(operator) &&
  /quant/i.test(operator);
