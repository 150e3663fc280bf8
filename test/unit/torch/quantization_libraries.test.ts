/** quantized_decomposed and torchao in TorchScript: every operator computes the same as in a program. */
import { describe, expect, it } from 'vitest';
import { legalize } from '../../../src/codegen/legalize.ts';
import { affineOps } from '../../../src/importers/torch/libraries/affine.ts';
import { decomposedOps } from '../../../src/importers/torch/libraries/decomposed.ts';
import { perTokenOps } from '../../../src/importers/torch/libraries/per_token.ts';
import { interpret } from '../../../src/ir/interpret.ts';
import { verify } from '../../../src/ir/verify.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { tensor } from '../../../src/tensors/tensor.ts';
import { dtype, importProgram, type Json, node, t } from '../torch_export/programs.ts';
import { forward, script } from './archives.ts';

const x = tensor('f32', [-3, -1.25, 0.5, 2, 0, 4.5, 1, -0.25], [2, 4]);

/** Samples of each parameter, in code and in a program. Tensors of a program are inputs, or constants beside it. */
const samples = (isPerAxis: boolean, isQuantizing: boolean): Readonly<Record<string, readonly [string, Json]>> => ({
  input: isQuantizing ? ['x', t('x')] : ['q', t('q')],
  scale: isPerAxis ? ['s', t('s')] : ['0.03125', 0.03125],
  scales: ['s', t('s')],
  zero_point: isPerAxis ? ['z', t('z')] : ['3', 3],
  zero_points: ['z', t('z')],
  axis: ['1', 1],
  block_size: ['[2, 1]', [2, 1]],
  group_size: ['2', 2],
  quant_min: ['-127', -127],
  quant_max: ['127', 127],
  dtype: ['1', dtype('s8')],
  eps: ['0.001', 0.001],
  output_dtype: isQuantizing ? ['1', dtype('s8')] : ['6', dtype('f32')],
  input_dtype: ['1', dtype('s8')],
  target_dtype: ['1', dtype('s8')],
  mapping_type: ['"ASYMMETRIC"', 'ASYMMETRIC'],
});

/** Shapes of the parameters that are tensors. */
function shapeOf(target: string): readonly number[] {
  if (target.includes('per_token')) return [2, 1];
  if (target.includes('group')) return [2, 2];
  return target.includes('affine') || target.includes('per_channel') ? [4] : [1];
}

const filled = (shape: readonly number[], of: (i: number) => number) => {
  const count = shape.reduce((a, b) => a * b, 1);
  const list = Array.from({ length: count }, (_, i) => of(i));
  const text =
    shape.length === 1
      ? `[${list}]`
      : `[${Array.from({ length: shape[0] }, (_, r) => `[${list.slice((r * count) / shape[0], ((r + 1) * count) / shape[0])}]`)}]`;
  return { list, text };
};

describe('operators of quantization libraries', () => {
  it.each(
    [...decomposedOps, ...perTokenOps, ...affineOps].map(
      (op) => [`${op.name.replace('::', '.')}.${op.overload}`, op] as const,
    ),
  )('%s', async (target, op) => {
    const [library, name] = target.split('.');
    const isQuantizing = !name.startsWith('dequantize');
    const takesTensors = !/per_tensor\.default$/.test(target) && !/^choose/.test(name);
    const of = samples(takesTensors, isQuantizing);
    const shape = shapeOf(target);
    const [s, z] = [filled(shape, (i) => (i + 1) / 32), filled(shape, (i) => i - 1)];
    const wanted = op.parameters.filter((p) => p.name in of && p.name !== 'out_dtype');
    const call = `ops.${library}.${name}(${wanted.map((p) => (p.default === undefined ? '' : `${p.name}=`) + of[p.name][0]).join(', ')})`;
    const isList = name.includes('choose');
    const code = forward(
      `s = torch.tensor(${s.text}, dtype=6)`,
      `z = torch.tensor(${z.text}, dtype=4)`,
      'q = torch.to(torch.mul(x, 4.), 1)',
      isList ? `y, y2, = ${call}` : `y = ${call}`,
      isList ? 'return torch.add(torch.to(y, 6), torch.to(y2, 6))' : 'return torch.to(y, 6)',
    );
    const graph = await importModel(script({ code }), { inputShapes: { x: [2, 4] } });
    expect(graph.origin?.unsupported).toEqual([]);
    expect(verify(graph)).toEqual([]);
    const { output } = interpret(graph, { x });

    const args = Object.fromEntries(wanted.map((p) => [p.name, of[p.name][1]]));
    const computed =
      name.includes('per_token') && isList
        ? ([2, 1] as const)
        : name.includes('affine') && isList
          ? ([4] as const)
          : ([1] as const);
    const types = name.includes('affine') ? (['f32', 's32'] as const) : (['f64', 's64'] as const);
    const isToken = target.includes('choose_qparams_per_token.default');
    const program = await importProgram({
      inputs: { x: ['f32', [2, 4]] },
      weights: { s: tensor('f32', s.list, shape), z: tensor('s64', z.list, shape) },
      nodes: [
        node('aten.mul.Tensor', { self: t('x'), other: 4 }, 'q0'),
        node('aten.to.dtype', { self: t('q0'), dtype: dtype('s8') }, 'q'),
        node(target, args, ...(isList ? ['y', 'y2'] : ['y'])),
      ],
      values: {
        q0: ['f32', [2, 4]],
        q: ['s8', [2, 4]],
        y: isList ? [isToken ? 'f32' : types[0], computed] : [isQuantizing ? 's8' : 'f32', [2, 4]],
        y2: [isToken ? 'f32' : types[1], computed],
      },
      outputs: isList ? ['y', 'y2'] : ['y'],
    });
    expect(program.origin?.unsupported).toEqual([]);
    const results = program.outputs.map((id) =>
      Array.from(interpret(program, { x })[id].data as ArrayLike<number>, Number),
    );
    const expected = results[0].map((v, i) => Math.fround(Math.fround(v) + (results[1]?.[i] ?? 0)));
    expect(Array.from(output.data as Float32Array)).toEqual(expected);
  });

  it('make integer layers, as in programs', async () => {
    const range = '0, 255, 0';
    const weights = 'torch.tensor([[1, -2, 3, 4], [5, 6, -7, 8]], dtype=1)';
    const code = forward(
      `w = ops.quantized_decomposed.dequantize_per_channel(${weights}, torch.tensor([0.5, 0.25]), torch.tensor([0, 0]), 0, -128, 127, 1)`,
      `q = ops.quantized_decomposed.quantize_per_tensor(x, 0.5, 70, ${range})`,
      `d = ops.quantized_decomposed.dequantize_per_tensor(q, 0.5, 70, ${range})`,
      'return torch.linear(d, w, None)',
    );
    const { strategies, graph } = legalize(await importModel(script({ code }), { inputShapes: { x: [2, 4] } }));
    expect(strategies.map(({ op }) => op)).toEqual(['qnn.matmul']);
    const [a, b] = [0, 1].map((r) =>
      Array.from(x.data.slice(4 * r, 4 * r + 4), (v) => Math.min(Math.max(2 * v, -140), 370)),
    );
    const rounded = (v: number) => (Math.abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v)) / 2;
    const dot = (row: number[], w: number[], s: number) => row.reduce((sum, v, i) => sum + rounded(v) * w[i], 0) * s;
    const expected = [a, b].flatMap((row) => [dot(row, [1, -2, 3, 4], 0.5), dot(row, [5, 6, -7, 8], 0.25)]);
    expect(Array.from(interpret(graph, { x }).output.data as Float32Array)).toEqual(expected);
  });

  it.each([
    ['u8', [200, 100, 3, 0]],
    ['s8', [-128, 127, 3, -1]],
  ] as const)('_int_mm of %s is the sum itself, in scripts and programs', async (type, values) => {
    const [q, w] = [tensor(type, values, [2, 2]), tensor('s8', [127, -128, 5, -7], [2, 2])];
    const [a, b, c, d] = values;
    const expected = [a * 127 + b * 5, a * -128 + b * -7, c * 127 + d * 5, c * -128 + d * -7];
    const program = await importProgram({
      inputs: { x: [type, [2, 2]] },
      weights: { w },
      nodes: [node('aten._int_mm.default', { self: t('x'), mat2: t('w') }, 'y')],
      values: { y: ['s32', [2, 2]] },
      outputs: ['y'],
    });
    expect(Array.from(interpret(program, { x: q }).y.data as Int32Array)).toEqual(expected);
    const code = forward(
      `w = torch.tensor([[127, -128], [5, -7]], dtype=1)`,
      `q = torch.to(x, ${type === 'u8' ? 0 : 1})`,
      'return torch.to(torch._int_mm(q, w), 6)',
    );
    const graph = await importModel(script({ code }), { inputShapes: { x: [2, 2] } });
    const { output } = interpret(graph, { x: tensor('f32', values, [2, 2]) });
    expect(Array.from(output.data as Float32Array)).toEqual(expected);
  });
});
