/** Laws of every nn operator, quantified over the table: an operator cannot be added without a generator here. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { completeAttrs, inferTypes } from '../../../src/ir/builder.ts';
import type { AttrValue } from '../../../src/ir/define_op.ts';
import { bindDim } from '../../../src/ir/dims.ts';
import { evaluateNode } from '../../../src/ir/interpret.ts';
import type { AnyOp } from '../../../src/ir/op_table.ts';
import { learnSizes } from '../../../src/ir/open_sizes.ts';
import * as nn from '../../../src/ir/ops/nn_ops.ts';
import type { TensorType } from '../../../src/ir/types.ts';
import { type DType, dtypes, entriesOf } from '../../../src/tensors/dtype.ts';
import { type ITensor, sizeOf, tensor } from '../../../src/tensors/tensor.ts';
import { shapeOf, tensorOf } from './nn_support.ts';

interface Sample {
  readonly operands: readonly (ITensor | null)[];
  readonly attrs: Readonly<Record<string, AttrValue>>;
}
type Attrs = Sample['attrs'];

const dtypesOf = (op: AnyOp, operand = 0): readonly DType[] =>
  (Object.values(op.operands)[operand].dtypes as readonly DType[]) ?? [];
const plain = (rank: number): Attrs => ({
  strides: Array(rank).fill(1),
  pads: Array(2 * rank).fill(1),
  dilations: Array(rank).fill(1),
});
const window = (rank: number): Attrs => ({ ...plain(rank), kernel: Array(rank).fill(2), ceilMode: true });

/** Operands of one element type, which the first operand allows, at the given shapes. */
const alike =
  (shapes: readonly (readonly number[])[], attrs: Attrs = {}) =>
  (op: AnyOp): fc.Arbitrary<Sample> =>
    fc
      .constantFrom(...dtypesOf(op))
      .chain((dtype) => fc.tuple(...shapes.map((shape) => tensorOf(dtype, shape))))
      .map((operands) => ({ operands, attrs }));

/** One operand of any shape of rank 1 to 4; attributes from its shape. */
const one =
  (attrs: (shape: number[]) => Attrs = () => ({})) =>
  (op: AnyOp): fc.Arbitrary<Sample> =>
    fc
      .tuple(fc.constantFrom(...dtypesOf(op)), shapeOf({ min: 1, max: 4 }))
      .chain(([dtype, shape]) => tensorOf(dtype, shape))
      .map((x) => ({ operands: [x], attrs: attrs([...x.shape]) }));

const both = alike([
  [3, 2, 4],
  [2, 1],
]);
const image = [3, 4, 5, 6];
const reduction = one((shape) => ({ axes: [shape.length - 1], keepdims: false }));
const channels = [[4], [4], [4], [4]];
const s64 = (values: number[], shape: number[]) => tensor('s64', values, shape);
const indexed = (op: AnyOp, indices: ITensor): fc.Arbitrary<Sample> =>
  fc
    .constantFrom(...dtypesOf(op))
    .chain((dtype) => tensorOf(dtype, [3, 4, 2]))
    .map((x) => ({ operands: [x, indices], attrs: { axis: 1 } }));

const updated = (op: AnyOp, indices: ITensor, shape: number[], attrs: Attrs = {}): fc.Arbitrary<Sample> =>
  fc
    .constantFrom(...dtypesOf(op))
    .chain((dtype) => fc.tuple(tensorOf(dtype, [3, 4, 2]), tensorOf(dtype, shape)))
    .map(([x, updates]) => ({ operands: [x, indices, updates], attrs }));

const generators: Readonly<Record<string, (op: AnyOp) => fc.Arbitrary<Sample>>> = {
  conv: alike([image, [2, 4, 3, 3]], plain(2)),
  conv_transpose: alike([image, [4, 2, 3, 3]], { ...plain(2), outputPadding: [0, 0] }),
  matmul: alike([
    [3, 2, 4],
    [4, 5],
  ]),
  ...Object.fromEntries(
    'add sub mul div pow min max mod equal greater less greater_or_equal less_or_equal and or xor'
      .split(' ')
      .map((name) => [name, both]),
  ),
  ...Object.fromEntries(
    'relu leaky_relu elu selu celu clip sigmoid hard_sigmoid hard_swish tanh softplus softsign thresholded_relu gelu mish exp log sqrt erf neg abs floor ceil round reciprocal sign not sin cos identity shape softmax log_softmax'
      .split(' ')
      .map((name) => [name, one()]),
  ),
  ...Object.fromEntries(
    'sum mean max min prod l1 l2 sum_square log_sum log_sum_exp'
      .split(' ')
      .map((name) => [`reduce_${name}`, reduction]),
  ),
  arg_max: one(() => ({ axis: -1 })),
  arg_min: one(() => ({ axis: -1 })),
  cumsum: one(() => ({ axis: -1 })),
  top_k: one((shape) => ({ k: [Math.ceil(shape[shape.length - 1] / 2)] })),
  lstm: alike([
    [3, 2, 5],
    [1, 8, 5],
    [1, 8, 2],
    [1, 16],
    [1, 2, 2],
    [1, 2, 2],
  ]),
  gru: alike([
    [3, 2, 5],
    [1, 6, 5],
    [1, 6, 2],
    [1, 12],
    [1, 2, 2],
  ]),
  non_zero: one(() => ({ symbol: 'count.1' })),
  non_max_suppression: alike(
    [
      [2, 5, 4],
      [2, 3, 5],
    ],
    { maxPerClass: 2, overlapThreshold: 0.5, symbol: 'count.1' },
  ),
  grid_sample: alike([image, [3, 2, 3, 2]]),
  prelu: alike([image, [4, 1, 1]]),
  cast: (op) => fc.constantFrom(...(Object.keys(dtypes) as DType[])).chain((to) => one(() => ({ to }))(op)),
  recentre: () =>
    fc.tuple(tensorOf('u8', [3, 2]), tensorOf('s8', [3, 2]), fc.boolean()).map(([u8, s8, up]) => ({
      operands: [up ? s8 : u8],
      attrs: { to: up ? 'u8' : 's8' },
    })),
  max_pool: alike([image], window(2)),
  average_pool: alike([image], window(2)),
  lp_pool: alike([image], window(2)),
  global_average_pool: alike([image]),
  global_max_pool: alike([image]),
  batch_norm: alike([image, ...channels]),
  instance_norm: alike([image, ...channels.slice(2)]),
  group_norm: alike([image, ...channels.slice(2)], { groups: 2 }),
  layer_norm: alike([image, [6], [6]]),
  rms_norm: alike([image, [6]]),
  lrn: alike([image], { size: 3 }),
  reshape: one((shape) => ({ shape: [1, sizeOf(shape)] })),
  transpose: one((shape) => ({ perm: shape.map((_, i) => i).reverse() })),
  concat: alike(
    [
      [3, 2],
      [3, 4],
      [3, 1],
    ],
    { axis: -1 },
  ),
  expand: alike([[3, 1, 2]], { shape: [4, 1] }),
  tile: one((shape) => ({ repeats: shape.map(() => 2) })),
  pad: one((shape) => ({ pads: shape.flatMap(() => [1, 2]) })),
  slice: one(() => ({ starts: [0], ends: [-1], axes: [0], steps: [1] })),
  range: (op) =>
    fc.constantFrom(...dtypesOf(op)).map((dtype) => ({
      operands: [tensor(dtype, [-3], []), tensor(dtype, [2], [])],
      attrs: { count: [5] },
    })),
  gather_nd: (op) =>
    indexed(op, s64([0, -1, 2, 0, 1, 1], [3, 2])).map(({ operands }) => ({ operands, attrs: { batchDims: 0 } })),
  gather: (op) => indexed(op, s64([0, -1, 3, 2], [2, 2])),
  gather_elements: (op) => indexed(op, s64([0, -1, 3, 2, 1, 1], [3, 1, 2])),
  scatter_nd: (op) => updated(op, s64([0, -1, 2, 0], [2, 2]), [2, 2]),
  scatter_elements: (op) => updated(op, s64([0, -1, 1, 0, 1, 1], [3, 1, 2]), [3, 1, 2], { axis: 1 }),
  where: (op) =>
    fc
      .constantFrom(...dtypesOf(op, 1))
      .chain((dtype) => fc.tuple(tensorOf('bool', [3, 1, 4]), tensorOf(dtype, [2, 1]), tensorOf(dtype, [4])))
      .map((operands) => ({ operands, attrs: {} })),
  depth_to_space: alike([[3, 4, 2, 3]], { block: 2 }),
  space_to_depth: alike([[3, 1, 4, 6]], { block: 2 }),
  resize: alike([[3, 2]], { shape: [3, 4], scales: [1, 2] }),
  detection_postprocess: alike(
    [
      [1, 5, 4],
      [1, 5, 3],
      [5, 4],
    ],
    {
      classes: 2,
      max_detections: 3,
      classes_per_detection: 2,
      score_threshold: 0,
      overlap_threshold: 0.5,
      scales: [1, 1, 1, 1],
    },
  ),
};

const nnOps: readonly AnyOp[] = Object.values(nn);
const named = nnOps.map((op) => [op.name, op] as const);
const generate = (op: AnyOp) => generators[op.name.replace('nn.', '')](op);
const typesOf = (operands: Sample['operands']) => operands.map((t) => t && { dtype: t.dtype, shape: t.shape });

describe('every nn operator', () => {
  it('has a generator, and every generator an operator', () => {
    expect(
      Object.keys(generators)
        .map((name) => `nn.${name}`)
        .sort(),
    ).toEqual(nnOps.map((op) => op.name).sort());
    expect(new Set(nnOps.map((op) => op.name)).size).toBe(nnOps.length);
  });

  it.each(named)('%s is documented and may occur at every level', (_, op) => {
    expect(op.doc.length).toBeGreaterThan(0);
    expect(op.level).toBeUndefined();
  });

  it.each(named)('%s infers the types that evaluation makes', (_, op) => {
    fc.assert(
      fc.property(generate(op), ({ operands, attrs }) => {
        const complete = completeAttrs(op, attrs, {});
        const types = inferTypes(op, typesOf(operands), complete, {});
        const results = evaluateNode({ op: op.name, attrs: complete, loc: {} }, operands);
        const sizes = new Map<string, number>();
        results.forEach(({ shape }, i) => {
          learnSizes(sizes, types[i].shape, shape);
        });
        expect(op.openSize === undefined || sizes.size > 0).toBe(true);
        expect(results.map(({ dtype, shape }) => ({ dtype, shape }))).toEqual(
          types.map(({ dtype, shape }) => ({ dtype, shape: shape.map((dim) => bindDim(dim, sizes)) })),
        );
        for (const { dtype, shape, data } of results) {
          expect(data).toBeInstanceOf(dtypes[dtype].storage);
          expect(data.length).toBe(entriesOf(dtype, sizeOf(shape)));
        }
      }),
      { numRuns: 25 },
    );
  });

  it.each(named)('%s infers the same once a symbolic first size is bound, and leaves its operands alone', (_, op) => {
    fc.assert(
      fc.property(generate(op), ({ operands, attrs }) => {
        const complete = completeAttrs(op, attrs, {});
        const [first, ...rest] = typesOf(operands) as TensorType[];
        const size = first.shape[0] as number;
        const symbolic = { ...first, shape: first.shape.length === 0 ? [] : ['N', ...first.shape.slice(1)] };
        const bound = inferTypes(op, [symbolic, ...rest], complete, {}).map(({ dtype, shape }) => ({
          dtype,
          shape: shape.map((dim) => bindDim(dim, new Map([['N', size]]))),
        }));
        expect(bound).toEqual(inferTypes(op, [first, ...rest], complete, {}));
        const before = operands.map((t) => t?.data.slice());
        evaluateNode({ op: op.name, attrs: complete, loc: {} }, operands);
        expect(operands.map((t) => t?.data)).toEqual(before);
      }),
      { numRuns: 25 },
    );
  });
});
