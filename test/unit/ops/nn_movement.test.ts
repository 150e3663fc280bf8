import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inferTypes } from '../../../src/ir/builder.ts';
import { addDims, bindDim } from '../../../src/ir/dims.ts';
import * as movement from '../../../src/ir/ops/nn_movement.op.ts';
import { nnSlice } from '../../../src/ir/ops/nn_slice.op.ts';
import type { Dim } from '../../../src/ir/types.ts';
import { bytesOf, type ITensor, tensor } from '../../../src/tensors/tensor.ts';
import { allTypes, anyTensor, evaluate, expectMoved, iota, listOf, shapeOf, tensorOf } from './nn_support.ts';

const shapes = shapeOf({ min: 1, max: 4 }, 4);

describe('nn.transpose', () => {
  const cases = anyTensor.chain((x) =>
    fc.record({
      x: fc.constant(x),
      perm: fc.shuffledSubarray(
        x.shape.map((_, i) => i),
        { minLength: x.shape.length },
      ),
    }),
  );
  it('moves axis perm[i] to i, and the inverse permutation takes it back bit by bit', () => {
    fc.assert(
      fc.property(cases, ({ x, perm }) => {
        const y = evaluate(movement.nnTranspose, [x], { perm });
        expectMoved(y, x, (index) => perm.map((_, axis) => index[perm.indexOf(axis)]));
        const back = evaluate(movement.nnTranspose, [y], { perm: perm.map((_, axis) => perm.indexOf(axis)) });
        expect(bytesOf(back.data)).toEqual(bytesOf(x.data));
      }),
    );
  });
  it('moves 64-bit patterns that are NaN as doubles unchanged', () => {
    const bits = new BigInt64Array([-1n, 0x7ff0000000000001n, -0x000fffffffffffffn, 5n]);
    const y = evaluate(movement.nnTranspose, [tensor('s64', bits, [2, 2])], { perm: [1, 0] });
    expect(listOf(y)).toEqual([-1n, -0x000fffffffffffffn, 0x7ff0000000000001n, 5n]);
  });
  it('refuses a list that is not a permutation', () => {
    expect(() => evaluate(movement.nnTranspose, [iota('u8', [2, 2])], { perm: [0, 0] })).toThrow(
      /no|not a permutation/,
    );
  });
});

describe('nn.slice', () => {
  const bound = fc.oneof(fc.integer({ min: -8, max: 8 }), fc.constantFrom(2 ** 53 - 1, -(2 ** 53 - 1)));
  it('with step 1 is Array.slice along the axis', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 6 }), bound, bound, (n, start, end) => {
        const x = iota('s32', [n]);
        const y = evaluate(nnSlice, [x], { starts: [start], ends: [end], axes: [0], steps: [1] });
        expect(listOf(y)).toEqual(listOf(x).slice(start, end));
      }),
    );
  });
  it('visits start, start + step, … before end, on several axes at once', () => {
    const cases = fc.tuple(fc.constantFrom(...allTypes), shapeOf({ min: 1, max: 3 }, 5)).chain(([dtype, shape]) =>
      fc.record({
        x: fc.constant(iota(dtype, shape)),
        axes: fc.subarray(shape.map((_, i) => i)),
        starts: fc.array(bound, { minLength: 3, maxLength: 3 }),
        ends: fc.array(bound, { minLength: 3, maxLength: 3 }),
        steps: fc.array(fc.constantFrom(1, 2, 3, -1, -2, -3), { minLength: 3, maxLength: 3 }),
        negative: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(cases, ({ x, axes, starts, ends, steps, negative }) => {
        const n = axes.length;
        const named = negative ? axes.map((axis) => axis - x.shape.length) : axes;
        const attrs = { starts: starts.slice(0, n), ends: ends.slice(0, n), axes: named, steps: steps.slice(0, n) };
        const y = evaluate(nnSlice, [x], attrs);
        const positions = x.shape.map((size, axis) => {
          const i = axes.indexOf(axis);
          const all = Array.from({ length: size }, (_, p) => p);
          return i < 0 ? all : visited(size, starts[i], ends[i], steps[i]);
        });
        expect(y.shape).toEqual(positions.map((p) => p.length));
        expectMoved(y, x, (index) => index.map((i, axis) => positions[axis][i]));
      }),
    );
  });
  it('knows the size of a slice of a symbol, by symbols too', () => {
    const sizeOfSlice = (dim: Dim, start: Dim, end: Dim, step: number) => {
      const attrs = { starts: [start], ends: [end], axes: [0], steps: [step] };
      return inferTypes(nnSlice, [{ dtype: 'u8', shape: [dim] }], attrs, {})[0].shape[0];
    };
    const far = 2 ** 53 - 1;
    expect(sizeOfSlice('N', 0, far, 1)).toBe('N');
    expect(sizeOfSlice('N', 0, 1, 1)).toBe('min(1,N)'); // a size may be 0
    expect(sizeOfSlice('N', -2, far, 1)).toBe('min(2,N)');
    expect(sizeOfSlice('N', 0, -1, 1)).toBe('max(0,N-1)');
    expect(sizeOfSlice('N', 1, far, 1)).toBe('max(0,N-1)');
    expect(sizeOfSlice('N', 2, 5, 1)).toBe('max(0,min(5,N)-2)');
    expect(sizeOfSlice(512, 0, 'S', 1)).toBe('min(512,S)');
    fc.assert(
      fc.property(
        bound,
        bound,
        fc.constantFrom(1, 2, -1, -2),
        fc.integer({ min: 0, max: 6 }),
        (start, end, step, n) => {
          const bound = new Map([
            ['N', n],
            ['P', n + 7],
          ]);
          expect(bindDim(sizeOfSlice('N', start, end, step), bound)).toBe(sizeOfSlice(n, start, end, step));
          const moved = (at: number) => addDims('P', at - 7);
          expect(bindDim(sizeOfSlice('N', moved(start), moved(end), step), bound)).toBe(
            sizeOfSlice(n, start + n, end + n, step),
          );
        },
      ),
    );
  });
  it('refuses a step of 0, an axis twice and lists of different lengths', () => {
    const call = (starts: number[], axes: number[], steps: number[]) => () =>
      evaluate(nnSlice, [iota('u8', [3, 3])], { starts, ends: starts, axes, steps });
    expect(call([0], [0], [0])).toThrow(/step is 0/);
    expect(call([0, 0], [0, -2], [1, 1])).toThrow(/twice/);
    expect(call([0, 0], [0], [1])).toThrow(/as many of each/);
  });
});

/**
 * The positions a slice visits, one step at a time until the end is passed. As in Python, but for a start in front of the
 * axis with a negative step: ONNX clamps it to 0, and ONNX Runtime visits that position.
 */
function visited(size: number, start: number, end: number, step: number): number[] {
  const wrapped = (i: number) => (i < 0 ? i + size : i);
  const result: number[] = [];
  const [first, last] = [Math.max(wrapped(start), 0), wrapped(end)];
  let i = step > 0 ? first : Math.min(first, size - 1);
  for (; i >= 0 && i < size && (step > 0 ? i < last : i > last); i += step) result.push(i);
  return result;
}

describe('nn.concat', () => {
  const cases = fc
    .tuple(
      fc.constantFrom(...allTypes),
      shapes,
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 3 }),
    )
    .chain(([dtype, shape, sizes]) =>
      fc.integer({ min: 0, max: shape.length - 1 }).chain((axis) =>
        fc.record({
          axis: fc.constant(axis),
          xs: fc.tuple(...sizes.map((size) => tensorOf(dtype, shape.with(axis, size)))),
        }),
      ),
    );
  it('is undone by slices', () => {
    fc.assert(
      fc.property(cases, ({ axis, xs }) => {
        const y = evaluate(movement.nnConcat, xs, { axis });
        let start = 0;
        for (const x of xs) {
          const end = start + x.shape[axis];
          expect(evaluate(nnSlice, [y], { starts: [start], ends: [end], axes: [axis], steps: [1] })).toEqual(x);
          start = end;
        }
        expect(y.shape[axis]).toBe(start);
      }),
    );
  });
  it('refuses operands that differ elsewhere', () => {
    const call = (a: ITensor, b: ITensor) => () => evaluate(movement.nnConcat, [a, b], { axis: 0 });
    expect(call(iota('u8', [1, 2]), iota('u8', [1, 3]))).toThrow(/do not fit along axis 0/);
    expect(call(iota('u8', [1]), iota('s8', [1]))).toThrow(/do not fit/);
  });
});

describe('nn.pad', () => {
  /** Position `i` of an axis of `size` elements that is continued endlessly, by walking there one step at a time. */
  const walks: Readonly<Record<string, (i: number, size: number) => number | undefined>> = {
    constant: (i, size) => (i >= 0 && i < size ? i : undefined),
    edge: (i, size) => (i < 0 ? 0 : i >= size ? size - 1 : i),
    wrap: (i, size) => (i < 0 ? walks.wrap(i + size, size) : i >= size ? walks.wrap(i - size, size) : i),
    reflect: (i, size) =>
      size === 1 ? 0 : i < 0 ? walks.reflect(-i, size) : i >= size ? walks.reflect(2 * (size - 1) - i, size) : i,
  };
  const cases = fc.tuple(fc.constantFrom(...allTypes), shapes).chain(([dtype, shape]) =>
    fc.record({
      x: fc.constant(iota(dtype, shape)),
      value: fc.option(tensorOf(dtype, []), { nil: undefined }),
      mode: fc.constantFrom('constant', 'edge', 'wrap', 'reflect'),
      // a begin and an end that leave at least one element
      pads: fc.tuple(
        ...shape.map((size) => fc.tuple(fc.integer({ min: 1 - size, max: 5 }), fc.integer({ min: 0, max: 5 }))),
      ),
      flip: fc.boolean(),
    }),
  );
  it('crops, then continues the axis as the mode says', () => {
    fc.assert(
      fc.property(cases, ({ x, value, mode, pads, flip }) => {
        const [begins, ends] = [pads.map((p) => p[flip ? 1 : 0]), pads.map((p) => p[flip ? 0 : 1])];
        const y = evaluate(movement.nnPad, [x, value], { pads: [...begins, ...ends], mode });
        expect(y.shape).toEqual(x.shape.map((size, i) => size + begins[i] + ends[i]));
        const source = (index: number[]) => {
          const from = index.map((i, axis) => {
            const kept = x.shape[axis] + Math.min(begins[axis], 0) + Math.min(ends[axis], 0);
            const at = walks[mode](i - Math.max(begins[axis], 0), kept);
            return at === undefined ? Number.NaN : at - Math.min(begins[axis], 0);
          });
          return from.some(Number.isNaN) ? undefined : from;
        };
        const nothing = x.dtype === 's64' || x.dtype === 'u64' ? 0n : 0;
        expectMoved(y, x, source, value?.data[0] ?? nothing);
      }),
    );
  });
  it('is undone by the negative pads', () => {
    fc.assert(
      fc.property(anyTensor, fc.constantFrom('constant', 'edge', 'wrap', 'reflect'), fc.nat(3), (x, mode, most) => {
        const pads = Array.from({ length: 2 * x.shape.length }, (_, i) => (i * 7) % (most + 1));
        const y = evaluate(movement.nnPad, [x], { pads, mode });
        expect(evaluate(movement.nnPad, [y], { pads: pads.map((p) => -p || 0) })).toEqual(x);
      }),
    );
  });
  it('refuses to crop more than there is, and to continue nothing', () => {
    expect(() => evaluate(movement.nnPad, [iota('u8', [2])], { pads: [-3, 3] })).toThrow(/crop more/);
    expect(() => evaluate(movement.nnPad, [iota('u8', [2])], { pads: [-2, 1], mode: 'edge' })).toThrow(/nothing along/);
    expect(() => evaluate(movement.nnPad, [iota('u8', [2]), iota('s8', [])], { pads: [1, 1] })).toThrow(/one u8/);
  });
});

describe('repeating', () => {
  it('expand reads position 0 where x has size 1', () => {
    const cases = anyTensor.chain((x) =>
      fc.record({
        x: fc.constant(x),
        more: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 4, maxLength: 4 }),
        lead: fc.nat(1),
      }),
    );
    fc.assert(
      fc.property(cases, ({ x, more, lead }) => {
        const full = x.shape.map((size, i) => (size === 1 ? more[i] : size));
        const y = evaluate(movement.nnExpand, [x], { shape: [...Array(lead).fill(2), ...full] });
        expect(y.shape).toEqual([...Array(lead).fill(2), ...full]);
        expectMoved(y, x, (index) => index.slice(lead).map((i, axis) => (x.shape[axis] === 1 ? 0 : i)));
      }),
    );
  });
  it('tile reads modulo the size', () => {
    fc.assert(
      fc.property(anyTensor, fc.array(fc.nat(3), { minLength: 4, maxLength: 4 }), (x, counts) => {
        const y = evaluate(movement.nnTile, [x], { repeats: counts.slice(0, x.shape.length) });
        expect(y.shape).toEqual(x.shape.map((size, i) => size * counts[i]));
        expectMoved(y, x, (index) => index.map((i, axis) => i % x.shape[axis]));
      }),
    );
  });
});

describe('depth and space', () => {
  const cases = fc.record({
    block: fc.integer({ min: 1, max: 3 }),
    sizes: fc.tuple(
      fc.integer({ min: 1, max: 2 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
    ),
    dtype: fc.constantFrom(...allTypes),
  });
  it('depth_to_space reads channel (i, j, c) in mode DCR and (c, i, j) in mode CRD', () => {
    fc.assert(
      fc.property(cases, fc.constantFrom('DCR', 'CRD'), ({ block: b, sizes: [n, c, h, w], dtype }, mode) => {
        const x = iota(dtype, [n, c * b * b, h, w]);
        const y = evaluate(movement.nnDepthToSpace, [x], { block: b, mode });
        expect(y.shape).toEqual([n, c, h * b, w * b]);
        expectMoved(y, x, ([batch, channel, row, column]) => {
          const [i, j] = [row % b, column % b];
          const from = mode === 'DCR' ? (i * b + j) * c + channel : (channel * b + i) * b + j;
          return [batch, from, (row - i) / b, (column - j) / b];
        });
      }),
    );
  });
  it('space_to_depth takes mode DCR back', () => {
    fc.assert(
      fc.property(cases, ({ block, sizes: [n, c, h, w], dtype }) => {
        const x = iota(dtype, [n, c * block * block, h, w]);
        const y = evaluate(movement.nnDepthToSpace, [x], { block });
        expect(evaluate(movement.nnSpaceToDepth, [y], { block })).toEqual(x);
      }),
    );
  });
  it('refuse sizes that do not divide', () => {
    expect(() => evaluate(movement.nnDepthToSpace, [iota('u8', [1, 6, 1, 1])], { block: 2 })).toThrow(/6 channels/);
    expect(() => evaluate(movement.nnSpaceToDepth, [iota('u8', [1, 1, 3, 2])], { block: 2 })).toThrow(
      /3x2 does not divide/,
    );
  });
});

describe('shapes', () => {
  it('reshape and identity keep the elements, shape tells the sizes', () => {
    fc.assert(
      fc.property(anyTensor, (x) => {
        const flat = evaluate(movement.nnReshape, [x], { shape: [x.data.length, 1] });
        expect(flat).toEqual({ ...x, shape: [x.data.length, 1] });
        expect(evaluate(movement.nnIdentity, [x])).toEqual(x);
        expect(listOf(evaluate(movement.nnShape, [x]))).toEqual(x.shape.map(BigInt));
      }),
    );
    expect(() => evaluate(movement.nnReshape, [iota('u8', [2, 3])], { shape: [4] })).toThrow(
      /has 6 elements, \[4\] holds 4/,
    );
  });
});
