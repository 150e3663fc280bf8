/** Operators that move, repeat or choose elements, over [n, 4, 2h, 2w], where every one of them applies. */
import * as fc from 'fast-check';
import {
  byteTypes,
  type Dim,
  type DType,
  type Graph,
  GraphBuilder,
  isOfType,
  isStatic,
  nnCast,
  nnConcat,
  nnDepthToSpace,
  nnExpand,
  nnGather,
  nnGatherElements,
  nnGlobalMaxPool,
  nnIdentity,
  nnMaxPool,
  nnPad,
  nnReshape,
  nnResize,
  nnSlice,
  nnSpaceToDepth,
  nnTile,
  nnTranspose,
  type OpKey,
  type Shape,
  sizeOf,
  tensor,
  type Value,
} from '../../ir/index.ts';
import { randomSource } from '../contents.ts';
import { batch } from './basic.ts';

export const movements = [
  'nnIdentity',
  'nnReshape',
  'nnTranspose',
  'nnPad',
  'nnConcat',
  'nnExpand',
  'nnTile',
  'nnSlice',
  'nnDepthToSpace',
  'nnSpaceToDepth',
  'nnGather',
  'nnGatherElements',
  'nnMaxPool',
  'nnGlobalMaxPool',
  'nnResize',
] as const satisfies readonly OpKey[];
export type Movement = (typeof movements)[number];

export interface MoveSpec {
  readonly kind: Movement;
  /** Chooses the permutation, the target shape, the pads, … */
  readonly choice: number;
  /** Nothing is moved, where the operator can do that. */
  readonly trivial: boolean;
}

export const moveSpec = (kinds: readonly Movement[] = movements): fc.Arbitrary<MoveSpec> =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    choice: fc.nat(0xffff),
    trivial: fc.constantFrom(false, false, false, true),
  });

/** A shape that every movement takes. */
export const movableShape: fc.Arbitrary<readonly Dim[]> = fc
  .record({ n: batch(2), h: fc.integer({ min: 1, max: 2 }), w: fc.integer({ min: 1, max: 2 }) })
  .map(({ n, h, w }) => [n, 4, 2 * h, 2 * w]);

/**
 * One movement of x. `more` are further operands of a concatenation, `value` fills a pad. For a shape of another rank
 * than 4, which movements can produce, it falls back to a movement for every shape.
 */
export function emitMove(
  b: GraphBuilder,
  x: Value<DType>,
  spec: MoveSpec,
  more: readonly Value<DType>[] = [],
  value?: Value<DType>,
): Value<DType> {
  const { choice, trivial } = spec;
  const { shape } = x.type;
  const rank = shape.length;
  const random = randomSource(choice);
  const pick = (n: number): number => Math.floor(random() * n);
  const image = imageOf(shape);
  const isOfBlocks = image && image[0] % 4 === 0 && image[1] % 2 === 0 && image[2] % 2 === 0;
  switch (spec.kind) {
    case 'nnReshape':
      return b.emit(nnReshape, { x }, { shape: trivial ? shape : reshaped(shape, pick) });
    case 'nnTranspose':
      return b.emit(nnTranspose, { x }, { perm: trivial ? shape.map((_, i) => i) : permutation(rank, random) });
    case 'nnPad':
      return b.emit(
        nnPad,
        { x, ...(value && { value }) },
        { pads: Array.from({ length: 2 * rank }, () => (trivial ? 0 : pick(3))) },
      );
    case 'nnConcat':
      return b.emit(
        nnConcat,
        { xs: [x, ...more, ...(trivial ? [] : [x])] },
        { axis: rank === 0 ? 0 : pick(2) * (rank - 1) },
      );
    case 'nnExpand':
      return b.emit(nnExpand, { x }, { shape: trivial ? [] : [2, ...shape.map(() => 1)] });
    case 'nnTile':
      return b.emit(nnTile, { x }, { repeats: shape.map(() => (trivial ? 1 : 1 + pick(2))) });
    case 'nnSlice': {
      const axis = shape.findLastIndex((dim) => typeof dim === 'number' && dim > 1);
      const step = pick(2) === 0 ? 1 : 2;
      const some =
        axis < 0 || trivial
          ? { axes: [], starts: [], ends: [], steps: [] }
          : { axes: [axis], starts: [pick(2)], ends: [2 ** 31 - 1], steps: [step] };
      return b.emit(nnSlice, { x }, some);
    }
    case 'nnGather': {
      const axis = shape.findLastIndex((dim) => typeof dim === 'number' && dim > 0);
      const size = shape[axis];
      if (typeof size !== 'number') break;
      const indices = b.constant(tensor('s64', [pick(size), -1 - pick(size), 0]), b.fresh('i'));
      return b.emit(nnGather, { x, indices }, { axis });
    }
    case 'nnGatherElements': {
      if (!isStatic(shape) || rank === 0) break;
      const size = shape[rank - 1];
      const chosen = Array.from({ length: sizeOf(shape) }, () => pick(size));
      const indices = b.constant(tensor('s64', chosen, shape), b.fresh('i'));
      return b.emit(nnGatherElements, { x, indices }, { axis: rank - 1 });
    }
    case 'nnDepthToSpace':
      if (!isOfBlocks) break;
      return b.emit(nnDepthToSpace, { x }, { block: 2, mode: pick(2) === 0 ? 'DCR' : 'CRD' });
    case 'nnSpaceToDepth':
      if (!isOfBlocks) break;
      return b.emit(nnSpaceToDepth, { x }, { block: 2 });
    case 'nnMaxPool': {
      if (!image || !isOfType(x, ...byteTypes, 'f32', 'f64')) break;
      return b.emit(nnMaxPool, { x }, poolOf(image.slice(1), pick));
    }
    case 'nnGlobalMaxPool':
      if (!image || !isOfType(x, ...byteTypes, 'f32', 'f64')) break;
      return b.emit(nnGlobalMaxPool, { x });
    case 'nnResize':
      if (!image) break;
      return b.emit(nnResize, { x }, resized(x, trivial, pick));
    case 'nnIdentity':
  }
  return b.emit(nnIdentity, { x });
}

/** [C, H, W] of a shape that has one, none of them 0. */
function imageOf([_, ...image]: Shape): readonly number[] | undefined {
  return image.length === 3 && isStatic(image) && !image.includes(0) ? image : undefined;
}

/** Mostly the nearest element; linear only for floats, in the arithmetic that ONNX models have. */
function resized({ type: { dtype, shape } }: Value<DType>, trivial: boolean, pick: (n: number) => number) {
  const factors = shape.map((_, axis) => (trivial || axis < 2 ? 1 : [2, 3, 1.5, 0.5][pick(4)]));
  return {
    shape: shape.map((dim, axis) =>
      axis < 2 || typeof dim !== 'number' ? dim : Math.max(1, Math.floor(dim * factors[axis])),
    ),
    scales: factors,
    mode: dtype === 'f32' && pick(4) === 0 ? ('linear' as const) : ('nearest' as const),
    recipe: 'ort' as const,
    coordinates: (['half_pixel', 'pytorch_half_pixel', 'asymmetric', 'align_corners'] as const)[pick(4)],
    nearest: (['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'] as const)[pick(4)],
  };
}

/** Windows over spatial sizes of at least 1. */
export function poolOf(spatial: readonly number[], pick: (n: number) => number) {
  const axes = spatial.map((size) => {
    const kernel = 1 + pick(3);
    const pads = [pick(kernel), pick(kernel)];
    const fits = size + pads[0] + pads[1] >= kernel;
    const dilation = pick(3) === 0 && kernel > 1 && size + pads[0] + pads[1] >= 2 * kernel - 1 ? 2 : 1;
    return fits ? { kernel, pads, dilation, stride: 1 + pick(2) } : { kernel: 1, pads: [0, 0], dilation: 1, stride: 1 };
  });
  return {
    kernel: axes.map((a) => a.kernel),
    strides: axes.map((a) => a.stride),
    pads: [...axes.map((a) => a.pads[0]), ...axes.map((a) => a.pads[1])],
    dilations: axes.map((a) => a.dilation),
    ceilMode: pick(3) === 0,
  };
}

/** The same elements: two neighbouring static axes joined, one split, or two exchanged. */
function reshaped(shape: readonly Dim[], pick: (n: number) => number): Dim[] {
  const at = shape.findIndex((dim, i) => typeof dim === 'number' && typeof shape[i + 1] === 'number');
  const [a, c] = [shape[at], shape[at + 1]];
  if (typeof a !== 'number' || typeof c !== 'number') return [...shape, 1];
  const forms = [[a * c], [1, a, c], [c, a], [a, c, 1]];
  return [...shape.slice(0, at), ...forms[pick(forms.length)], ...shape.slice(at + 2)];
}

function permutation(rank: number, random: () => number): number[] {
  return Array.from({ length: rank }, (_, axis) => ({ axis, key: random() }))
    .sort((p, q) => p.key - q.key)
    .map((p) => p.axis);
}

const dtype = fc.constantFrom<DType>(...byteTypes, 'f32', 's32');

/** A chain of movements, as many as `kinds` has entries, over a tensor of any type. */
export const chains = (...kinds: readonly (readonly Movement[])[]): fc.Arbitrary<Graph> =>
  fc
    .record({
      dtype,
      shape: movableShape,
      moves: fc.tuple(...kinds.map((k) => moveSpec(k))),
      shared: fc.constantFrom(false, false, true),
    })
    .map(({ dtype, shape, moves, shared }) => {
      const b = new GraphBuilder();
      let x: Value<DType> = b.input('x', dtype, shape);
      const all: Value<DType>[] = [];
      for (const spec of moves) {
        x = emitMove(b, x, spec);
        all.push(x);
      }
      return b.finish(shared ? all : [b.emit(nnCast, { x }, { to: 'f64' })]);
    });
