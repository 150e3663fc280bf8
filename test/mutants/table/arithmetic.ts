/** Rounding, saturation, multipliers, and the sums of the interpreter. */
import type { Mutant } from '../mutant.ts';

const numerics = (name: string, file: string, text: string, instead: string, test: string): Mutant => ({
  name,
  file: `src/numerics/${file}.ts`,
  text,
  instead,
  tests: [`test/unit/numerics/${test}.test.ts`],
});

export const arithmetic: readonly Mutant[] = [
  numerics(
    'halves of large numbers are rounded down',
    'rounding',
    'floor % 2 === 0 ? floor : floor + 1',
    'floor',
    'rounding',
  ),
  numerics(
    'negative halves are rounded up',
    'rounding',
    'x < 0 ? -Math.round(-x) : Math.round(x)',
    'Math.round(x)',
    'rounding',
  ),
  numerics(
    'a NaN saturates to itself',
    'rounding',
    '(x >= low ? Math.min(x, high) : low)',
    '(x < low ? low : Math.min(x, high))',
    'rounding',
  ),
  numerics(
    'a fused multiply-add rounds twice',
    'fused_multiply_add',
    'return lost > 0 === other > near ? other : near;',
    'return near;',
    'fused_multiply_add',
  ),
  numerics(
    'the multiplier is not rounded between its two steps',
    'requantize',
    'Math.fround(Math.fround(sx * sw) / sy)',
    'Math.fround((sx * sw) / sy)',
    'requantize',
  ),
  {
    name: 'QNNPACK divides by the scale of the result',
    file: 'src/numerics/requantize.ts',
    text: "if (profile === 'torch-qnnpack') return",
    instead: "if (profile === 'torch-fbgemm') return",
    tests: ['test/unit/numerics/requantize.test.ts'],
  },
  numerics(
    'a mantissa of 2^31 is not normalized',
    'requantize',
    'if (mantissa === 2 ** 31) {',
    'if (mantissa > 2 ** 31) {',
    'requantize',
  ),
  numerics(
    'a fixed-point product is not rounded',
    'fixed_point',
    'Math.floor((rest + 2 ** 30) / 2 ** 31)',
    'Math.floor(rest / 2 ** 31)',
    'requantize',
  ),
  numerics(
    'a dynamic range does not hold 0',
    'quantize_linear',
    '  let low = 0;\n',
    '  let low = x.length > 0 ? x[0] : 0;\n',
    'quantize_linear',
  ),
  numerics(
    'a window average is not rounded before it is scaled',
    'qlinear_pool',
    'Math.fround(sum / count)',
    'sum / count',
    'qlinear_pool',
  ),
  numerics(
    'QLinearAdd adds B before A also where ONNX Runtime does not',
    'qlinear_add',
    'if (a !== 1 || b !== 1) return a === 1;',
    'if (a !== 1 || b !== 1) return b === 1;',
    'qlinear_binary',
  ),
  {
    name: 'a product of matrices leaves out the last k of an odd number',
    file: 'src/ir/ops/matmul_sum.ts',
    text: 'addLine(block, other, even);',
    instead: 'if (even > 0) addLine(block, other, even);',
    tests: ['test/unit/ops/matmul_sum.test.ts'],
  },
  {
    name: 'a zero point may be of another type than its data',
    file: 'src/ir/ops/qnn_parameters.ts',
    text: 'if (type.dtype !== data.dtype)',
    instead: 'if (false)',
    tests: ['test/unit/ops/qnn_conv.test.ts', 'test/unit/ops/qnn_matmul.test.ts', 'test/unit/ops/qnn_quantize.test.ts'],
  },
];
