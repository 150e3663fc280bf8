/** Cases whose recorded result we do not give, each with the reason. Nothing else may fail. */
export const knownDifferences: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['node-1.22.0', 'node-1.12.1', 'node-1.6.0'].map((set) => [
      `${set}/resize_downsample_scales_linear_align_corners`,
      'the reference takes the size that the scale asks for, 2.4, where the specification and ONNX Runtime 1.30 take the size of the output, 2',
    ]),
  ),
  ...Object.fromEntries(
    ['cast_FLOAT16_to_INT4', 'cast_FLOAT16_to_UINT4', 'cast_FLOAT_to_INT4'].map((name) => [
      `node-1.22.0/${name}`,
      'the standard leaves open what becomes of floats that int4 does not have: onnx 1.22 takes their lowest bits, as ONNX Runtime does, and onnx 1.23 gives 0',
    ]),
  ),
  'ort-models/transform__fusion__matmul_integer_to_float16_int8':
    'ONNX Runtime keeps the chain of float16 multiplications in binary32, ONNX rounds each product to float16: one step of float16 apart',
};
