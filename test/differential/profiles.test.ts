/** Sums that are rounded as each system rounds them: on the addon as on the interpreter, and nothing left to the latter. */

import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { onnxProfiles } from '../../src/importers/onnx/profiles.ts';
import { torchProfiles } from '../../src/importers/torch/operators/engine.ts';
import { GraphBuilder, type ITensor, sizeOf, tensor, type Value } from '../../src/ir/index.ts';
import { nnCast } from '../../src/ir/ops/nn_cast.op.ts';
import { nnConvTranspose } from '../../src/ir/ops/nn_conv.op.ts';
import { nnAdd, nnMul } from '../../src/ir/ops/nn_elementwise_binary.op.ts';
import { qnnConv } from '../../src/ir/ops/qnn_conv.op.ts';
import { qnnMatmul } from '../../src/ir/ops/qnn_matmul.op.ts';
import { qnnRequantize } from '../../src/ir/ops/qnn_requantize.op.ts';
import { fixedMultiplier, type RequantizeMode } from '../../src/numerics/index.ts';
import type { Strategy } from '../../src/passes/strategy_names.ts';
import { compile } from '../../src/runtime/compile.ts';
import { importModel } from '../../src/runtime/import_model.ts';
import { toPublic } from '../../src/tensors/tensor.ts';
import { describeCorpus, isWhole } from '../support/corpus.ts';
import { expectSame } from './support.ts';

const arithmetics = ['f32', 'f32-steps', 'f32-offset', 'f32-two-step', 'f64', 'fixed'] as const;

const layer = fc.record({
  kind: fc.constantFrom('conv', 'conv', 'depthwise', 'conv_transpose', 'matmul'),
  type: fc.constantFrom('u8' as const, 's8' as const),
  to: fc.constantFrom('u8' as const, 's8' as const),
  channels: fc.constantFrom(1, 3, 8, 16, 19, 40),
  filters: fc.constantFrom(1, 5, 8, 16, 33),
  size: fc.integer({ min: 1, max: 7 }),
  kernel: fc.constantFrom(1, 3),
  stride: fc.constantFrom(1, 2),
  pads: fc.constantFrom(0, 1),
  zx: fc.constantFrom(undefined, 0, 3, 100),
  // Of the weights: of one type with them, for each filter or for all.
  zw: fc.constantFrom(undefined, undefined, 'one', 'each' as const),
  weights: fc.constantFrom('s8', 's8', 'u8' as const),
  bias: fc.boolean(),
  arithmetic: fc.constantFrom(...arithmetics),
  rounding: fc.constantFrom('half-even' as const, 'half-even' as const, 'half-up' as const, 'half-away' as const),
  order: fc.constantFrom('after' as const, 'before' as const),
  zy: fc.constantFrom(0, 1, 64, 127),
  relu: fc.boolean(),
  perChannel: fc.boolean(),
  powerOfTwo: fc.boolean(),
  strategy: fc.constantFrom<Strategy[]>('auto', 'fold', 'border-table', 'native', 'four-term'),
  seed: fc.nat(1e6),
});
type Layer = typeof layer extends fc.Arbitrary<infer L> ? L : never;

function generator(seed: number): () => number {
  let state = seed | 1;
  return () => (((state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 8) & 0xffff) / 0x10000;
}

/** The end of a sum in some arithmetic: the floats in front of the requantize, and its attributes. */
function end(b: GraphBuilder, l: Layer, sum: Value<'s32'>, axis: number, channels: number, next: () => number): Value {
  const rank = sum.type.shape.length;
  const count = l.perChannel ? channels : 1;
  const along = (data: readonly number[]): ITensor<'f32'> =>
    tensor('f32', data, count === 1 ? [] : [count, ...Array(rank - 1 - axis).fill(1)]);
  const list = (of: () => number) => Array.from({ length: count }, of);
  const factors = list(() => (l.powerOfTwo ? 2 ** -Math.floor(5 + next() * 6) : Math.fround(0.0005 + next() / 50)));
  const parameter = (dtype: 'f32' | 'f64' | 's32', data: readonly number[]) =>
    b.constant(tensor(dtype, data, count === 1 ? [] : [count])) as Value<'f32'>;
  let x: Value<'s32' | 'f32'> = sum;
  if (l.arithmetic === 'f32-steps' || l.arithmetic === 'f32-offset') {
    x = b.emit(nnCast, { x: sum }, { to: 'f32' }) as Value<'f32'>;
    if (l.arithmetic === 'f32-steps') x = b.emit(nnMul, { a: x, b: b.constant(along(factors)) });
    x = b.emit(nnAdd, { a: x, b: b.constant(along(list(() => (next() - 0.5) * 20))) });
  }
  const fixed = factors.map((f) => fixedMultiplier(f) as { mantissa: number; shift: number });
  const operands =
    l.arithmetic === 'fixed'
      ? {
          multiplier: parameter(
            's32',
            fixed.map((m) => m.mantissa),
          ),
          second: parameter(
            's32',
            fixed.map((m) => m.shift),
          ),
        }
      : l.arithmetic === 'f64'
        ? {
            multiplier: parameter(
              'f64',
              factors.map((f) => f * (1 + next() * 1e-9)),
            ),
          }
        : l.arithmetic === 'f32-two-step'
          ? {
              multiplier: parameter('f32', factors),
              second: parameter(
                'f32',
                list(() => 0.5 + next()),
              ),
            }
          : l.arithmetic === 'f32-steps'
            ? { multiplier: b.constant(tensor('f32', [1 + next()], [])) }
            : { multiplier: parameter('f32', factors) };
  const mode: RequantizeMode = {
    arithmetic: l.arithmetic === 'f32-steps' || l.arithmetic === 'f32-offset' ? 'f32' : l.arithmetic,
    rounding: l.rounding,
    zeroPointAt: l.order,
  };
  const range = l.relu ? { low: l.zy } : {};
  return b.emit(qnnRequantize, { x, zy: b.scalar(l.to, l.zy), ...operands }, { axis, ...mode, ...range });
}

function graphOf(l: Layer) {
  const next = generator(l.seed);
  const bytes = (dtype: 'u8' | 's8', shape: readonly number[]) =>
    tensor(
      dtype,
      Array.from({ length: sizeOf(shape) }, () => Math.floor(next() * 256) - (dtype === 'u8' ? 0 : 128)),
      shape,
    );
  const b = new GraphBuilder();
  const size = Math.max(l.size, l.kernel);
  const shape = l.kind === 'matmul' ? [l.size, l.channels] : [1, l.channels, size, size];
  const x = b.input('x', l.type, shape);
  const zx = l.zx === undefined ? {} : { zx: b.scalar(l.type, l.zx) };
  const window = { strides: [l.stride, l.stride], pads: Array(4).fill(l.pads), dilations: [1, 1] };
  const weights = (dims: readonly number[], dtype: 'u8' | 's8' = l.weights) =>
    b.constant(bytes(dtype, dims)) as Value<'s8'>;
  /** Of so many filters, the first axis of weights or the last one. */
  const zw = (filters: number) =>
    l.zw && (b.constant(bytes(l.weights, l.zw === 'one' ? [] : [filters])) as Value<'s8'>);
  let sum: Value;
  if (l.kind === 'matmul')
    sum = b.emit(qnnMatmul, {
      a: x,
      b: weights([l.channels, l.filters]),
      ...(l.zx !== undefined && { za: zx.zx }),
      ...(l.zw && { zb: zw(l.filters) }),
    });
  else if (l.kind === 'conv_transpose')
    sum = b.emit(
      nnConvTranspose,
      { x, w: weights([l.channels, l.filters, 3, 3], 's8') },
      { ...window, pads: [1, 1, 1, 1], outputPadding: [0, 0] },
    );
  else if (l.kind === 'depthwise')
    sum = b.emit(
      qnnConv,
      { x, w: weights([l.channels, 1, l.kernel, l.kernel]), ...zx, ...(l.zw && { zw: zw(l.channels) }) },
      { ...window, group: l.channels },
    );
  else
    sum = b.emit(
      qnnConv,
      { x, w: weights([l.filters, l.channels, l.kernel, l.kernel]), ...zx, ...(l.zw && { zw: zw(l.filters) }) },
      window,
    );
  const axis = 1;
  const channels = sum.type.shape[axis] as number;
  if (l.bias) {
    const biases = Int32Array.from({ length: channels }, () => Math.floor((next() - 0.5) * 20_000));
    const bias: ITensor<'s32'> = tensor('s32', biases, [channels, ...Array(sum.type.shape.length - 2).fill(1)]);
    sum = b.emit(nnAdd, { a: sum as Value<'s32'>, b: b.constant(bias) }) as Value;
  }
  const y = end(b, l, sum as Value<'s32'>, axis, channels, next);
  return { graph: b.finish([y]), feeds: { x: bytes(l.type, shape) } };
}

describe('profiles on the addon', () => {
  it('round as the interpreter does, in every arithmetic, behind every product', async () => {
    await fc.assert(
      fc.asyncProperty(layer, async (l) => {
        const { graph, feeds } = graphOf(l);
        const model = await expectSame(graph, feeds, { threads: 1, strategy: l.strategy });
        expect(model.fallbacks).toEqual([]);
        model.dispose();
      }),
      { numRuns: process.env.UNSKEW_DEEP === undefined ? 150 : 5000 },
    );
  });
});

describe('our kernels', () => {
  /** Multiples of powers of two, whose ties an odd zero point turns to other integers. */
  const ties = {
    type: 'u8',
    to: 'u8',
    channels: 40,
    filters: 33,
    size: 7,
    kernel: 1,
    stride: 1,
    pads: 0,
    zx: 3,
    zw: undefined,
    weights: 's8',
    bias: true,
    arithmetic: 'f32',
    rounding: 'half-even',
    zy: 127,
    relu: false,
    perChannel: true,
    powerOfTwo: true,
    strategy: 'auto',
    seed: 1,
  } as const;

  it.each(['conv', 'depthwise', 'matmul'] as const)(
    '%s: round with the zero point in front, or behind',
    async (kind) => {
      const orders = ['before', 'after'] as const;
      const results = orders.map(async (order) => {
        const { graph, feeds } = graphOf({ ...ties, kind, order });
        const model = await expectSame(graph, feeds, { threads: 1 });
        const y = model.runSync({ x: toPublic(feeds.x) });
        model.dispose();
        return Object.values(y)[0].data;
      });
      const [before, after] = await Promise.all(results);
      expect(before).not.toEqual(after);
    },
  );
});

describeCorpus('PyTorch networks', (root) => {
  it.each(
    [
      'mbv2_a/torchscript/mbv2_a-eager-onednn-pc-hist-script-torch2.6.0.pt',
      'digits_a/torchscript/digits_a-eager-qnnpack-pta-hist-script-torch2.6.0.pt',
    ]
      .filter((file) => isWhole || !file.startsWith('mbv2'))
      .flatMap((file) => torchProfiles.map((profile) => [file.replace(/.*\//, ''), profile, file] as const)),
  )('%s, profile %s: all of it native, as the interpreter has it', async (_name, profile, file) => {
    const shape = [2, 1, 8, 8];
    const graph = await importModel(join(root, 'nets', file), { profile, inputShapes: { x: shape } });
    const x = tensor(
      'f32',
      Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i) * 3),
      shape,
    );
    const model = await expectSame(graph, { x }, { threads: 1 });
    expect(model.fallbacks).toEqual([]);
    expect(model.certificate.verdict).toBe('bit-exact');
    model.dispose();
  });
});

describeCorpus('ONNX networks', (root) => {
  const file = (name: string) => join(root, 'nets/digits_a/onnx-ortquant', name);

  it.each(onnxProfiles)(
    'of dequantized operators, profile %s: as the interpreter has it, and proved',
    async (profile) => {
      const graph = await importModel(file('digits_a-qdq-u8s8-pc.onnx'), { profile });
      const shape = [1, 1, 8, 8];
      const x = tensor(
        'f32',
        Float32Array.from({ length: 64 }, (_, i) => Math.sin(i) * 2),
        shape,
      );
      const feeds = { [graph.inputs[0]]: toPublic(x) };
      const [model, reference] = await Promise.all(
        (['onednn', 'reference'] as const).map((backend) => compile(graph, { backend, threads: 1 })),
      );
      expect(model.runSync(feeds)).toEqual(reference.runSync(feeds));
      expect(model.fallbacks).toEqual([]);
      expect(model.certificate).toMatchObject({ verdict: 'bit-exact' });
      expect(model.certificate.profile).toBe(profile === 'ort' ? undefined : profile);
      const methods = model.certificate.selection?.flatMap((entry) => entry.obligations?.map((o) => o.method) ?? []);
      const byThresholds = methods?.filter((method) => method.startsWith('all thresholds over the reachable sums'));
      if (profile === 'onnx-spec') expect(byThresholds?.length).toBeGreaterThan(0);
      model.dispose();
    },
  );

  it('of quantized operators: an operator without a recipe in the profile is refused by name', async () => {
    const refused = importModel(file('digits_a-qop-u8s8-pc.onnx'), { profile: 'tflite' });
    await expect(refused).rejects.toThrow(
      /the profile 'tflite' has no recipe for QLinearGlobalAveragePool[\s\S]*profiles that have one: onnx-spec, ort/,
    );
  });
});
