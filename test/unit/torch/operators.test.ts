/** Operators of TorchScript against the results of PyTorch 1.13 (make_operators.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { interpret } from '../../../src/ir/interpret.ts';
import { verify } from '../../../src/ir/verify.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { tensor } from '../../../src/tensors/tensor.ts';
import { forward, script } from './archives.ts';

interface Case {
  readonly lines: readonly string[];
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

const cases: Readonly<Record<'quantized' | 'float', Readonly<Record<string, Case>>>> = JSON.parse(
  readFileSync(new URL('operators.json', import.meta.url), 'utf8'),
);
const x = tensor(
  'f32',
  Array.from({ length: 64 }, (_, i) => (((i * 37) % 64) - 30) / 8),
  [1, 4, 4, 4],
);

async function run({ lines, shape }: Case): Promise<number[]> {
  const [result] = lines.slice(-1);
  const code = forward(
    'q = torch.quantize_per_tensor(x, 0.0700000003, 70, 13)',
    ...lines.slice(0, -1),
    `result = ${result}`,
    'return torch.dequantize(result)',
  );
  const graph = await importModel(script({ code }), { profile: 'torch-qnnpack', inputShapes: { x: [1, 4, 4, 4] } });
  expect(graph.origin?.unsupported).toEqual([]);
  expect(verify(graph)).toEqual([]);
  const { output } = interpret(graph, { x });
  expect(output.shape).toEqual(shape);
  return Array.from(output.data as Float32Array);
}

/** Seven digits are recorded; integers of quantized tensors are steps apart. */
const differing = (actual: readonly number[], expected: readonly number[], relative: number): number =>
  actual.filter((v, i) => !(Math.abs(v - expected[i]) <= relative * Math.max(1, Math.abs(expected[i])))).length;

describe('quantized tensors, bit for bit', () => {
  it.each(Object.entries(cases.quantized))('%s', async (_name, c) => {
    expect(differing(await run(c), c.values, 1e-6)).toBe(0);
  });
});

describe('floats', () => {
  it.each(Object.entries(cases.float))('%s', async (_name, c) => {
    expect(differing(await run(c), c.values, 4e-6)).toBe(0);
  });
});
