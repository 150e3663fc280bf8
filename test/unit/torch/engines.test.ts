/** Layers, pools and means against the results of each engine of PyTorch 2.15 (make_engines.py). */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scalarTypes, TorchTensor } from '../../../src/formats/torch/pickle/index.ts';
import type { TorchProfile } from '../../../src/importers/torch/operators/engine.ts';
import { GraphSink } from '../../../src/importers/torch/script/graph_sink.ts';
import { TensorOperators } from '../../../src/importers/torch/script/tensor_operators.ts';
import { GraphTensor, PackedWeights } from '../../../src/importers/torch/values.ts';
import { interpret } from '../../../src/ir/interpret.ts';
import { reciprocal32 } from '../../../src/numerics/index.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { tensor } from '../../../src/tensors/tensor.ts';
import { forward, script } from './archives.ts';

interface Layer {
  readonly name: string;
  readonly engine: string;
  readonly groups: number;
  readonly weights: readonly number[];
  readonly w: readonly number[];
  readonly scales: readonly number[];
  readonly zeroPoints: readonly number[];
  readonly bias: readonly number[] | null;
  readonly x: readonly number[];
  readonly input: readonly number[];
  readonly sx: number;
  readonly zx: number;
  readonly sy: number;
  readonly zy: number;
  readonly y: readonly number[];
  readonly output: readonly number[];
}

interface Pool {
  readonly engine: 'qnnpack' | 'onednn';
  readonly view: string;
  readonly pool: string;
  readonly y: readonly number[];
  readonly output: readonly number[];
  readonly sy: number;
  readonly zy: number;
}

const { layers, byHand, pools }: { layers: Layer[]; byHand: Layer[]; pools: Pool[] } = JSON.parse(
  readFileSync(new URL('engines.json', import.meta.url), 'utf8'),
);

/** The integers of a layer under a profile. */
function computed(c: Layer, profile: TorchProfile): number[] {
  const sink = new GraphSink();
  const operators = new TensorOperators(sink, { profile }, {}, new Map());
  const value = sink.input('x', { dtype: 'u8', shape: c.input });
  const quantization = { kind: 'per-tensor', scale: c.sx, zeroPoint: c.zx } as const;
  const x = new GraphTensor(value, scalarTypes.quint8, { quantization });
  const own =
    c.scales.length === 1
      ? ({ kind: 'per-tensor', scale: c.scales[0], zeroPoint: c.zeroPoints[0] } as const)
      : ({ kind: 'per-channel', scales: c.scales, zeroPoints: c.zeroPoints, axis: 0 } as const);
  const weight = TorchTensor.of(scalarTypes.qint8, c.w, c.weights, own);
  const bias = c.bias === null ? undefined : TorchTensor.of(scalarTypes.float32, c.bias);
  const [, , kernel] = c.weights;
  const two = (n: number) => [n, n];
  const conv = kernel && {
    stride: two(1),
    padding: two(Math.floor(kernel / 2)),
    dilation: two(1),
    outputPadding: two(0),
    groups: c.groups,
    transposed: false,
  };
  const packed = new PackedWeights(weight, bias, conv || undefined);
  const name = `quantized::${conv ? 'conv2d' : 'linear'}`;
  const call = { name, args: [x, packed, c.sy, c.zy], keywords: new Map(), module: '', variable: 'y', where: {} };
  const y = operators.apply(call) as GraphTensor;
  expect(operators.unsupported).toEqual([]);
  const graph = sink.finish('main', [['output', y.value]], { kind: 'test', unsupported: [] });
  const { output } = interpret(graph, { x: tensor('u8', c.x, c.input) });
  expect(output.shape).toEqual(c.output);
  return Array.from(output.data as Uint8Array);
}

describe('layers', () => {
  it.each(layers.map((c) => [`${c.engine}: ${c.name}, zero points ${c.zx} and ${c.zy}`, c] as const))(
    '%s',
    (_title, c) => {
      expect(computed(c, `torch-${c.engine}` as TorchProfile)).toEqual(c.y);
    },
  );

  it('tell the engines apart', () => {
    const profiles = ['torch-qnnpack', 'torch-onednn', 'torch-fbgemm'] as const;
    for (const engine of profiles) {
      const own = layers.filter((c) => `torch-${c.engine}` === engine);
      for (const other of profiles.filter((p) => p !== engine))
        expect(own.some((c) => String(computed(c, other)) !== String(c.y))).toBe(true);
    }
  });
});

describe('scales set by hand', () => {
  it.each(byHand.map((c) => [`${c.engine}: ${c.sx} · ${c.scales[0]} to ${c.sy}`, c] as const))('%s', (_title, c) => {
    expect(computed(c, `torch-${c.engine}` as TorchProfile)).toEqual(c.y);
  });

  it('are inverted as binary32 numbers, which is another number for 226 of 0.001 … 0.999', () => {
    const scales = Array.from({ length: 999 }, (_, i) => (i + 1) / 1000);
    expect(scales.filter((s) => reciprocal32(s) !== Math.fround(1 / s)).length).toBe(226);
    const scale = fc.double({ min: 1e-30, max: 1e30, noNaN: true });
    fc.assert(fc.property(scale, (s) => reciprocal32(s) === Math.fround(1 / Math.fround(s))));
  });

  it.each(['torch.relu6(q)', 'torch.hardtanh(q, -1.3, 4.7)', 'torch.clamp(q, -0.7, 1.9)'])(
    'the bounds of %s',
    async (call) => {
      const run = async (scale: string) => {
        const code = forward(`q = torch.quantize_per_tensor(x, ${scale}, 70, 13)`, `return torch.dequantize(${call})`);
        const graph = await importModel(script({ code }), { inputShapes: { x: [256] } });
        return interpret(graph, {
          x: tensor(
            'f32',
            Array.from({ length: 256 }, (_, i) => i / 16 - 8),
          ),
        }).output.data;
      };
      for (let i = 1; i < 1000; i += 7)
        expect(await run(String(i / 1000))).toEqual(await run(String(Math.fround(i / 1000))));
    },
  );
});

describe('pools and means, by the order in memory of their operands', () => {
  const x = tensor(
    'f32',
    Array.from({ length: 384 }, (_, i) => (((i * 37 + Math.floor(i / 7)) % 256) - 113) / 4),
    [2, 8, 6, 4],
  );

  it.each(pools.map((c) => [`${c.engine}: ${c.pool} of ${c.view}`, c] as const))('%s', async (_title, c) => {
    const code = forward(
      'q = torch.quantize_per_tensor(x, 0.25, 113, 13)',
      `v = ${c.view}`,
      `y = ${c.pool}`,
      'return torch.dequantize(y)',
    );
    const profiles =
      c.engine === 'qnnpack' ? (['torch-qnnpack'] as const) : (['torch-onednn', 'torch-x86', 'torch-fbgemm'] as const);
    for (const profile of profiles) {
      const graph = await importModel(script({ code }), { profile, inputShapes: { x: [2, 8, 6, 4] } });
      expect(graph.origin?.unsupported).toEqual([]);
      const { output } = interpret(graph, { x });
      expect(output.shape).toEqual(c.output);
      expect(Array.from(output.data as Float32Array, (v) => Math.round(v / c.sy) + c.zy)).toEqual(c.y);
    }
  });
});
