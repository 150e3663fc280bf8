import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse, specialize, typeOf, type ValueId } from '../../../src/ir/index.ts';
import { nnResize } from '../../../src/ir/ops/nn_resize.op.ts';
import { tensor } from '../../../src/tensors/tensor.ts';
import { anyTensor, evaluate, expectMoved, iota, listOf } from './nn_support.ts';

describe('nn.resize', () => {
  const line = (values: readonly number[], attrs: Record<string, unknown>, to: number) => {
    const x = tensor('f32', values, [1, values.length]);
    return listOf(evaluate(nnResize, [x], { shape: [1, to], scales: [1, to / values.length], ...attrs } as never));
  };
  it('repeats elements by an integer factor, for all coordinates of the nearest', () => {
    fc.assert(
      fc.property(anyTensor, fc.integer({ min: 1, max: 3 }), (x, factor) => {
        const last = x.shape.length - 1;
        const shape = x.shape.with(last, x.shape[last] * factor);
        const scales = x.shape.map((_, axis) => (axis === last ? factor : 1));
        for (const [coordinates, nearest] of [
          ['asymmetric', 'floor'],
          ['half_pixel', 'round_prefer_floor'],
        ]) {
          const y = evaluate(nnResize, [x], { shape, scales, coordinates, nearest });
          expectMoved(y, x, (index) => index.with(last, Math.floor(index[last] / factor)));
        }
      }),
    );
  });
  it('interpolates between neighbours', () => {
    // values of the ONNX test cases resize_upsample_scales_linear and …_align_corners, one axis of them
    expect(line([1, 2], { mode: 'linear' }, 4)).toEqual([1, 1.25, 1.75, 2]);
    expect(line([1, 4], { mode: 'linear', coordinates: 'align_corners' }, 4)).toEqual([1, 2, 3, 4]);
    expect(line([1, 2, 3, 4], { mode: 'linear', coordinates: 'asymmetric' }, 2)).toEqual([1, 3]);
    expect(line([1, 2, 3, 4], { mode: 'linear', coordinates: 'pytorch_half_pixel' }, 1)).toEqual([1]);
    expect(line([1, 2, 3, 4], { mode: 'linear' }, 1)).toEqual([2.5]);
  });
  it('breaks ties between two elements as told', () => {
    // from 4 to 2 with half pixels: positions ½ and 2½
    const at = (nearest: string) => line([10, 11, 12, 13], { nearest }, 2);
    expect(at('round_prefer_floor')).toEqual([10, 12]);
    expect(at('floor')).toEqual([10, 12]);
    expect(at('round_prefer_ceil')).toEqual([11, 13]);
    expect(at('ceil')).toEqual([11, 13]);
  });
  it('truncates integers, and refuses types without interpolation', () => {
    const attrs = { shape: [4], scales: [2], mode: 'linear' };
    expect(listOf(evaluate(nnResize, [iota('u8', [2])], attrs))).toEqual([1, 1, 1, 2]);
    expect(() => evaluate(nnResize, [iota('u16', [2])], attrs)).toThrow(/is for f32, s32, s8, u8, not u16/);
  });

  /** Sizes that standards and PyTorch derive from a scale: rounded down, or to the nearest; or the scale from sizes. */
  const agreeing = [
    [4, 2, 8],
    [4, 1, 4],
    [5, 0.5, 2],
    [5, 0.5, 3],
    [5, 0.3, 1],
    [7, Math.fround(10 / 7), 10],
    [10, Math.fround(2.1), 21],
    [3, 0, 11],
    [0, 2, 0],
  ] as const;
  const contradicting = [
    [4, 1, 5],
    [4, 1, 3],
    [4, 1, 0],
    [4, 2, 9],
    [4, 2, 7],
    [5, 0.5, 4],
    [5, 0.5, 1],
    [3, Infinity, 3],
  ] as const;
  const axes = [0, 1, 2, 3];
  const ways = (['nearest', 'linear'] as const).flatMap((mode) =>
    (['exact', 'ort'] as const).map((recipe) => ({ mode, recipe })),
  );
  const resizedAlong = (axis: number, from: number, scale: number, to: number, way: (typeof ways)[number]) => {
    const x = iota('f32', [2, 3, 4, 5].with(axis, from));
    const attrs = { shape: x.shape.with(axis, to), scales: [1, 1, 1, 1].with(axis, scale), ...way };
    return evaluate(nnResize, [x], attrs);
  };

  it.each(agreeing)('%d by %d is %d, along every axis', (from, scale, to) => {
    for (const axis of axes)
      for (const way of ways)
        expect(resizedAlong(axis, from, scale, to, way).data.length).toBe((120 / [2, 3, 4, 5][axis]) * to);
  });
  it.each(contradicting)('%d by %d is not %d, along every axis', (from, scale, to) => {
    for (const axis of axes)
      for (const way of ways)
        expect(() => resizedAlong(axis, from, scale, to, way)).toThrow(
          `a scale of ${scale} does not lead from ${from} to ${to}`,
        );
  });
  it.each(ways)('holds nothing larger on its way than its operand and its result: $mode, $recipe', (way) => {
    const [few, many] = [2, 2 ** 20];
    const x = tensor('f32', new Float32Array(few * many).fill(3), [few, many]);
    const y = evaluate(nnResize, [x], { shape: [many, few], scales: [many / few, few / many], ...way });
    expect(y.data).toEqual(x.data);
  });
  it.each(ways)('makes nothing of many and none at once: $mode, $recipe', (way) => {
    const attrs = { shape: [2 ** 31 - 1, 0], scales: [2 ** 31 - 1, 0], ...way };
    expect(evaluate(nnResize, [iota('f32', [1, 3])], attrs).data.length).toBe(0);
  });
  it('judges sizes that are symbols when they are known', () => {
    const graph = parse(`graph @main(%x: f32["N",4]) -> (%y) {
  %y = nn.resize(%x) {shape=["M",8], scales=[2,2]} : f32["M",8]
}
`);
    const sized = (n: number, m: number) =>
      specialize(
        graph,
        new Map([
          ['N', n],
          ['M', m],
        ]),
      );
    expect(typeOf(sized(3, 6), 'y' as ValueId).shape).toEqual([6, 8]);
    expect(() => sized(3, 5)).toThrow('a scale of 2 does not lead from 3 to 5');
  });
});
