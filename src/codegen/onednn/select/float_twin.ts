/**
 * The f32 recipe of a primitive in the place of another one. Both are monotone step functions of one integer, so they are
 * equal on the sums that can occur when they step at the same ones (numerics/thresholds.ts). The multiplier may be any
 * binary32 number next to the real one: the one whose own roundings fall right.
 */
import type { Graph, ITensor } from '../../../ir/index.ts';
import { modeOf, nextFloat32, sameStepsNear, stepOf } from '../../../numerics/index.ts';
import type { GraphEditor } from '../../../passes/index.ts';
import { bounds, Ranges, Weights } from '../../../proofs/index.ts';
import type { Requantize } from './epilogue.ts';

/** The real factor, then its neighbours. */
const NEIGHBOURS = [0, 1, -1, 2, -2, 3, -3];

const rangesOf = new WeakMap<Graph, Ranges>();
function ranges(graph: Graph): Ranges {
  const known = rangesOf.get(graph) ?? new Ranges(graph, new Weights());
  rangesOf.set(graph, known);
  return known;
}

/** Undefined when no multiplier does in some channel; decided channel by channel, and given up at the first. */
export function floatTwin(graph: GraphEditor, r: Requantize): Requantize | undefined {
  const { multiplier, shift, scale, offset } = r;
  if (scale || offset) return undefined;
  const reach = ranges(graph.base).of(r.sum);
  // One multiplier for all channels has to do for the sums of all of them.
  const axis = multiplier.data.length > 1 ? graph.type(r.sum).shape.length - 1 - r.axis : undefined;
  const factors = new Float32Array(multiplier.data.length);
  const own = { multiplier: multiplierOf(factors), shift: undefined };
  const twin = { ...r, ...own, mode: modeOf(own, { ...r.mode, rounding: 'half-even' }) };
  for (let c = 0; c < factors.length; c++) {
    const [low, high] = bounds(reach, c, axis);
    const real = realFactor(multiplier, shift, c);
    const exact = stepOf(r, c);
    const found = NEIGHBOURS.some((steps) => {
      factors[c] = nextFloat32(real, steps);
      const guess = (level: number) => (level - 0.5 - r.zeroPoint) / real;
      return factors[c] > 0 && sameStepsNear(exact, stepOf(twin, c), guess, low, high);
    });
    if (!found) return undefined;
  }
  return twin;
}

const multiplierOf = (data: Float32Array): ITensor<'f32'> => ({ dtype: 'f32', shape: [data.length], data });

/** mantissa·2^(shift − 31), or the factor itself. */
function realFactor(multiplier: ITensor, shift: ITensor<'s32'> | undefined, c: number): number {
  const first = Number(multiplier.data[c]);
  return multiplier.dtype === 's32' ? first * 2 ** ((shift?.data[c] ?? 0) - 31) : first;
}
