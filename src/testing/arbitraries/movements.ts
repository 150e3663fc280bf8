/** Operators that move, repeat or choose elements, over [n, 4, 2h, 2w], where every one of them applies. */
import * as fc from 'fast-check';
import {
  type Dim,
  type DType,
  type Graph,
  GraphBuilder,
  isStatic,
  sizeOf,
  tensor,
  type Value,
} from '../../ir/index.ts';
import { nnCast } from '../../ir/ops/nn_cast.op.ts';
import { nnGather, nnGatherElements } from '../../ir/ops/nn_gather.op.ts';
import * as move from '../../ir/ops/nn_movement.op.ts';
import { nnGlobalMaxPool, nnMaxPool } from '../../ir/ops/nn_pool.op.ts';
import { nnResize } from '../../ir/ops/nn_resize.op.ts';
import { nnSlice } from '../../ir/ops/nn_slice.op.ts';
import { randomSource } from '../contents.ts';
import { batch, type Eight } from './basic.ts';

export const movements = [
  'identity',
  'reshape',
  'transpose',
  'pad',
  'concat',
  'expand',
  'tile',
  'slice',
  'depth_to_space',
  'space_to_depth',
  'gather',
  'gather_elements',
  'max_pool',
  'global_max_pool',
  'resize',
] as const;
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
 * One movement of x. `more` are further operands of a concatenation, `value` what a pad fills with. A shape of another
 * rank than 4, as movements make them, falls back to what every shape takes.
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
  const spatial = rank === 4 && isStatic(shape.slice(1)) && [1, 2, 3].every((axis) => (shape[axis] as number) > 0);
  const blocks =
    spatial && (shape[1] as number) % 4 === 0 && (shape[2] as number) % 2 === 0 && (shape[3] as number) % 2 === 0;
  switch (spec.kind) {
    case 'reshape':
      return b.emit(move.nnReshape, { x }, { shape: trivial ? shape : reshaped(shape, pick) });
    case 'transpose':
      return b.emit(move.nnTranspose, { x }, { perm: trivial ? shape.map((_, i) => i) : permutation(rank, random) });
    case 'pad':
      return b.emit(
        move.nnPad,
        { x, ...(value && { value }) },
        { pads: Array.from({ length: 2 * rank }, () => (trivial ? 0 : pick(3))) },
      );
    case 'concat':
      return b.emit(
        move.nnConcat,
        { xs: [x, ...more, ...(trivial ? [] : [x])] },
        { axis: rank === 0 ? 0 : pick(2) * (rank - 1) },
      );
    case 'expand':
      return b.emit(move.nnExpand, { x }, { shape: trivial ? [] : [2, ...shape.map(() => 1)] });
    case 'tile':
      return b.emit(move.nnTile, { x }, { repeats: shape.map(() => (trivial ? 1 : 1 + pick(2))) });
    case 'slice': {
      const axis = shape.findLastIndex((dim) => typeof dim === 'number' && dim > 1);
      const step = pick(2) === 0 ? 1 : 2;
      const some =
        axis < 0 || trivial
          ? { axes: [], starts: [], ends: [], steps: [] }
          : { axes: [axis], starts: [pick(2)], ends: [2 ** 31 - 1], steps: [step] };
      return b.emit(nnSlice, { x }, some);
    }
    case 'gather': {
      const axis = shape.findLastIndex((dim) => typeof dim === 'number' && dim > 0);
      if (axis < 0) break;
      const size = shape[axis] as number;
      const indices = b.constant(tensor('s64', [pick(size), -1 - pick(size), 0].map(BigInt) as never), b.fresh('i'));
      return b.emit(nnGather, { x, indices }, { axis });
    }
    case 'gather_elements': {
      if (!isStatic(shape) || rank === 0) break;
      const size = shape[rank - 1];
      const indices = b.constant(
        tensor('s64', Array.from({ length: sizeOf(shape) }, () => BigInt(pick(size))) as never, shape),
        b.fresh('i'),
      );
      return b.emit(nnGatherElements, { x, indices }, { axis: rank - 1 });
    }
    case 'depth_to_space':
      if (!blocks) break;
      return b.emit(move.nnDepthToSpace, { x }, { block: 2, mode: pick(2) === 0 ? 'DCR' : 'CRD' });
    case 'space_to_depth':
      if (!blocks) break;
      return b.emit(move.nnSpaceToDepth, { x }, { block: 2 });
    case 'max_pool': {
      if (!spatial) break;
      return b.emit(nnMaxPool, { x: x as Value<Eight> }, poolOf(shape.slice(2) as number[], pick)) as Value<DType>;
    }
    case 'global_max_pool':
      if (!spatial) break;
      return b.emit(nnGlobalMaxPool, { x: x as Value<Eight> }) as Value<DType>;
    case 'resize':
      if (!spatial) break;
      return b.emit(nnResize, { x }, resized(x, trivial, pick));
    case 'identity':
  }
  return b.emit(move.nnIdentity, { x });
}

/** Mostly the nearest element; linear only for floats, in the arithmetic that ONNX models have. */
function resized({ type: { dtype, shape } }: Value<DType>, trivial: boolean, pick: (n: number) => number) {
  const factors = shape.map((_, axis) => (trivial || axis < 2 ? 1 : [2, 3, 1.5, 0.5][pick(4)]));
  return {
    shape: shape.map((dim, axis) => (axis < 2 ? dim : Math.max(1, Math.floor((dim as number) * factors[axis])))),
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
  if (at < 0) return [...shape, 1];
  const [a, c] = [shape[at] as number, shape[at + 1] as number];
  const forms = [[a * c], [1, a, c], [c, a], [a, c, 1]];
  return [...shape.slice(0, at), ...forms[pick(forms.length)], ...shape.slice(at + 2)];
}

function permutation(rank: number, random: () => number): number[] {
  return Array.from({ length: rank }, (_, axis) => ({ axis, key: random() }))
    .sort((p, q) => p.key - q.key)
    .map((p) => p.axis);
}

const dtype = fc.constantFrom<DType>('u8', 's8', 'f32', 's32');

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
        const usable =
          (spec.kind === 'max_pool' || spec.kind === 'global_max_pool') && dtype === 's32'
            ? { ...spec, kind: 'identity' as const }
            : spec;
        x = emitMove(b, x, usable);
        all.push(x);
      }
      return b.finish(shared ? all : [b.emit(nnCast, { x: all.at(-1) as Value<DType> }, { to: 'f64' })]);
    });
