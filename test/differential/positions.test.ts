/** Operators that read other positions: padding, resizing, gathers at computed positions, repetitions and blocks, of all element sizes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder, type Value } from '../../src/ir/index.ts';
import { nnGather } from '../../src/ir/ops/nn_gather.op.ts';
import { nnGatherNd } from '../../src/ir/ops/nn_gather_nd.op.ts';
import { nnDepthToSpace, nnPad, nnSpaceToDepth, nnTile } from '../../src/ir/ops/nn_movement.op.ts';
import { nnResize } from '../../src/ir/ops/nn_resize.op.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Model } from '../../src/runtime/model.ts';
import { tensor, toPublic } from '../../src/tensors/tensor.ts';
import { filled, nonFinitePattern } from '../../src/testing/index.ts';
import { kernelIsas, random } from '../native/support.ts';
import { draws } from '../support/draws.ts';
import { expectAgreement, expectAgreementOn, graphOn } from './agreement.ts';

const int = (min: number, max: number) => fc.integer({ min, max });
const dtype = fc.constantFrom('u8' as const, 's16' as const, 'f32' as const, 's64' as const);
const setting = fc.record({ isa: fc.constantFrom(...kernelIsas), threads: int(1, 2) });
const seed = fc.nat(0xffff);
const shape = fc.array(int(1, 9), { minLength: 1, maxLength: 4 });
const images = fc.tuple(int(1, 2), int(1, 20), int(1, 9), int(1, 9)).map((s) => [...s]);

it('pads in every mode, and crops', () => {
  const mode = fc.constantFrom('reflect' as const, 'edge' as const, 'wrap' as const);
  const pads = fc.array(int(-2, 4), { minLength: 8, maxLength: 8 });
  const draw = fc.record({
    dtype,
    shape,
    mode,
    pads,
    last: fc.boolean(),
    crops: fc.constantFrom('only', 'also', 'not'),
    seed,
  });
  fc.assert(
    fc.property(draw, setting, ({ dtype, shape, mode, pads, last, crops, seed }, by) => {
      const own = [...pads.slice(0, shape.length), ...pads.slice(4, 4 + shape.length)];
      const graph = () =>
        graphOn(dtype, shape, last, (b, x) =>
          crops === 'not'
            ? b.emit(nnPad, { x }, { pads: own, mode })
            : b.emit(nnPad, { x }, { pads: crops === 'also' ? own : own.map((pad) => Math.min(0, pad)) }),
        );
      const axes = shape.map((size, axis) => size + Math.min(0, own[axis]) + Math.min(0, own[axis + shape.length]));
      fc.pre(axes.every((size) => size > 0));
      expectAgreement(graph(), { pattern: 'random', seed }, by);
    }),
    draws(100),
  );
});

describe('resizing', () => {
  const coordinates = fc.constantFrom('half_pixel', 'pytorch_half_pixel', 'asymmetric', 'align_corners');
  const nearest = fc.constantFrom('round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil');
  const to = fc.array(int(1, 20), { minLength: 4, maxLength: 4 });

  it('to nearest elements', () => {
    const draw = fc.record({ dtype, shape, to, coordinates, nearest, last: fc.boolean(), seed });
    fc.assert(
      fc.property(draw, setting, ({ dtype, shape, to, coordinates, nearest, last, seed }, by) => {
        const size = to.slice(0, shape.length);
        const attrs = { shape: size, scales: size.map(() => 0), mode: 'nearest', coordinates, nearest } as const;
        expectAgreement(
          graphOn(dtype, shape, last, (b, x) => b.emit(nnResize, { x }, attrs as never)),
          { pattern: 'random', seed },
          by,
        );
      }),
      draws(75),
    );
  });

  it('by interpolation in the recipe of ONNX Runtime', () => {
    const types = fc.constantFrom('f32' as const, 'u8' as const, 's8' as const, 's32' as const);
    const draw = fc.record({
      dtype: types,
      images,
      rank: int(1, 4),
      to,
      coordinates,
      last: fc.boolean(),
      few: fc.boolean(),
      seed,
    });
    fc.assert(
      fc.property(draw, setting, ({ dtype, images, rank, to, coordinates, last, few, seed }, by) => {
        const from = images.slice(0, rank);
        const size = from.map((own, axis) => (few && axis < 2 && rank > 2 ? own : to[axis]));
        const scales = size.map((own, axis) => (own === from[axis] ? 1 : 0));
        fc.pre(scales.filter((scale) => scale !== 1).length <= 3);
        const attrs = { shape: size, scales, mode: 'linear', coordinates, recipe: 'ort' } as const;
        const graph = graphOn(dtype, from, last, (b, x) => b.emit(nnResize, { x }, attrs as never));
        fc.pre(!(rank === 4 && scales[0] !== 1));
        expectAgreement(graph, { pattern: dtype === 'f32' && seed % 2 ? nonFinitePattern : 'random', seed }, by);
      }),
      draws(100),
    );
  });
});

it('repetitions', () => {
  const repeats = fc.array(int(1, 4), { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(dtype, shape, repeats, fc.boolean(), seed, setting, (type, s, counts, last, start, by) => {
      const graph = graphOn(type, s, last, (b, x) => b.emit(nnTile, { x }, { repeats: counts.slice(0, s.length) }));
      expectAgreement(graph, { pattern: 'random', seed: start }, by);
    }),
    draws(50),
  );
});

it('blocks of space in depth, and back', () => {
  const draw = fc.record({
    dtype,
    images,
    block: int(1, 3),
    mode: fc.constantFrom('DCR', 'CRD', 'space'),
    last: fc.boolean(),
  });
  fc.assert(
    fc.property(draw, seed, setting, ({ dtype, images: [n, c, h, w], block, mode, last }, start, by) => {
      const graph =
        mode === 'space'
          ? graphOn(dtype, [n, c, h * block, w * block], last, (b, x) => b.emit(nnSpaceToDepth, { x }, { block }))
          : graphOn(dtype, [n, c * block ** 2, h, w], last, (b, x) =>
              b.emit(nnDepthToSpace, { x }, { block, mode: mode as 'DCR' }),
            );
      expectAgreement(graph, { pattern: 'random', seed: start }, by);
    }),
    draws(50),
  );
});

describe('gathers at computed positions', () => {
  const index = fc.constantFrom('s32' as const, 's64' as const);
  const positions = (type: 's32' | 's64', sizes: readonly number[], shape: readonly number[], start: number) => {
    const next = random(start);
    const count = shape.reduce((a, b) => a * b, 1);
    const values = Array.from({ length: count }, (_, i) => {
      const size = sizes[i % sizes.length];
      return Math.floor(next() * 2 * size) - size;
    });
    return tensor(type, type === 's64' ? values.map(BigInt) : values, shape);
  };

  it('along an axis', () => {
    const draw = fc.record({ dtype, index, shape, at: fc.nat(3), of: fc.array(int(1, 5), { maxLength: 2 }), seed });
    fc.assert(
      fc.property(draw, setting, ({ dtype, index, shape, at, of, seed }, by) => {
        const axis = at % shape.length;
        const b = new GraphBuilder();
        const x = b.input('x', dtype, [...shape]);
        const indices = b.input('indices', index, [...of]) as Value<'s64'>;
        const graph = b.finish([b.emit(nnGather, { x, indices }, { axis })]);
        const feeds = {
          x: filled(dtype, shape, { pattern: 'random', seed }),
          indices: positions(index, [shape[axis]], of, seed),
        };
        expectAgreementOn(graph, feeds, by);
      }),
      draws(75),
    );
  });

  it('of rows of positions', () => {
    const draw = fc.record({ dtype, index, shape, batch: fc.nat(3), named: int(1, 4), of: int(1, 5), seed });
    fc.assert(
      fc.property(draw, setting, ({ dtype, index, shape, batch, named, of, seed }, by) => {
        const batchDims = batch % shape.length;
        const count = Math.min(named, shape.length - batchDims);
        const rows = [...shape.slice(0, batchDims), of, count];
        const b = new GraphBuilder();
        const x = b.input('x', dtype, [...shape]);
        const indices = b.input('indices', index, rows) as Value<'s64'>;
        const graph = b.finish([b.emit(nnGatherNd, { x, indices }, { batchDims })]);
        const feeds = {
          x: filled(dtype, shape, { pattern: 'random', seed }),
          indices: positions(index, shape.slice(batchDims, batchDims + count), rows, seed),
        };
        expectAgreementOn(graph, feeds, by);
      }),
      draws(75),
    );
  });

  it('fail outside of the axis, on one thread and on two, and later runs succeed', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'f32', [5, 4096]);
    const indices = b.input('indices', 's64', [64]) as Value<'s64'>;
    const graph = b.finish([b.emit(nnGather, { x, indices }, {})]);
    const [y] = graph.outputs;
    for (const threads of [1, 2]) {
      const model = new Model(compileGraph(graph, { threads }), { threads });
      const feeds = (position: bigint) => ({
        x: toPublic(filled('f32', [5, 4096], { pattern: 'random', seed: 1 })),
        indices: toPublic(tensor('s64', Array(64).fill(position), [64])),
      });
      for (const position of [5n, -6n, 1n << 62n]) {
        expect(() => model.runSync(feeds(position))).toThrow(`the index ${position} is outside an axis of size 5`);
        await expect(model.run(feeds(position))).rejects.toThrow('U2005');
      }
      expect(model.runSync(feeds(-5n))[y].data[0]).toBe(feeds(0n).x.data[0]);
      model.dispose();
    }
  });
});
