/** The fused end of a sum: what of it a primitive may take, and what our own epilogue kernel has to do. */
import { assert } from '../../../diagnostics/index.ts';
import {
  dnnlRequantize,
  dtypes,
  type EpilogueTensors,
  epilogueStep,
  type ITensor,
  ofType,
  type qnnRequantize,
  roundingTail,
  type SumChain,
  tensor,
  tensorOfType,
  type Value,
  type ValueId,
  type ValueView,
} from '../../../ir/index.ts';
import type { RequantizeMode } from '../../../numerics/index.ts';
import type { Algebra, GraphEditor } from '../../../passes/index.ts';
import { floatEpilogueIsExact } from './exactness.ts';

/** A requantize with constant parameters, whatever its recipe, and the s32 sum that it rounds. */
export interface Requantize {
  readonly sum: Value<'s32'>;
  readonly to: 'u8' | 's8';
  /** scale and offset, multiplier and shift. */
  readonly factors: Omit<EpilogueTensors, 'bias' | 'map'> & Required<Pick<EpilogueTensors, 'multiplier'>>;
  readonly rounding: RequantizeMode['rounding'];
  readonly zeroPointAt: RequantizeMode['zeroPoint'];
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
  readonly axis: number;
}

type Match = ValueView<typeof qnnRequantize>;

/** A requantize whose end can be fused, or why it cannot. */
export function requantizeOf(graph: GraphEditor, match: Match): Requantize | string {
  const { x, attrs, node } = match;
  const [multiplier, zy, second] = [graph.tensor(match.multiplier), graph.tensor(match.zy), graph.tensor(match.second)];
  if (!multiplier || !zy || (match.second && !second)) return 'its parameters are computed at run time';
  if (multiplier.shape.length > 1) return 'the multiplier varies along several axes';
  const tail = roundingTail(graph, node);
  if (tail === undefined) return 'it rounds floats that are no sum with a scale and an offset for each channel';
  if (tail.between.some((id) => !graph.isPrivate(id))) return 'the floats in front of it have other readers';
  if (tail.between.length > 0 && attrs.arithmetic !== 'f32')
    return `it rounds floats, in the arithmetic ${attrs.arithmetic}`;
  const rank = x.type.shape.length;
  const { min, max } = dtypes[zy.dtype];
  const isFixed = attrs.arithmetic === 'fixed';
  return {
    sum: ofType(graph.value(tail.sum), 's32'),
    to: zy.dtype,
    factors: factorsOf(attrs.arithmetic, multiplier, second, tail),
    rounding: isFixed ? 'half-even' : attrs.rounding,
    zeroPointAt: isFixed ? 'after' : attrs.zeroPoint,
    zeroPoint: zy.data[0],
    low: Math.max(attrs.low, min),
    high: Math.min(attrs.high, max),
    axis: (attrs.axis + rank) % rank,
  };
}

/** The two factors of f32-two-step are a scale and a multiplier: fl(fl(fl(A)·first)·second). */
function factorsOf(
  arithmetic: RequantizeMode['arithmetic'],
  first: ITensor<'f32' | 'f64' | 's32'>,
  second: ITensor<'f32' | 's32'> | undefined,
  { scale, offset }: { readonly scale?: ITensor<'f32'>; readonly offset?: ITensor<'f32'> },
): Requantize['factors'] {
  if (arithmetic === 'f32-two-step' && second)
    return { scale: tensorOfType(first, 'f32'), multiplier: tensorOfType(second, 'f32') };
  if (arithmetic === 'fixed' && second) return { multiplier: first, shift: tensorOfType(second, 's32') };
  return { multiplier: first, ...(scale && { scale }), ...(offset && { offset }) };
}

/** Whether a primitive can round like that: in f32, half to even. */
export const isFloatRecipe = ({ factors: { multiplier }, rounding }: Requantize): boolean =>
  multiplier.dtype === 'f32' && rounding === 'half-even';

/** v -> y of one channel. */
export function stepOf(r: Requantize, channel: number): (v: number) => number {
  const step = epilogueStep(r.factors, channel, r, r.rounding, [r.low, r.high]);
  assert(step, 'a requantize has a multiplier');
  return step;
}

/** Whether oneDNN's own epilogue is exact for this chain: see exactness.ts. `shifted`: the primitive corrects a source zero point. */
export function primitiveMayFinish(
  { bias, map, row }: SumChain,
  r: Requantize,
  channels: number,
  shifted: boolean,
): boolean {
  if (row !== undefined || !isFloatRecipe(r) || !isFiniteTensor(r.factors.multiplier)) return false;
  if (bias === undefined && map === undefined && !shifted) return true;
  const inner = map ? map.data.length / channels : 0;
  const added = (c: number): number => {
    const b = Math.abs(bias?.data[c] ?? 0);
    let largest = 0;
    for (let i = c * inner; i < (c + 1) * inner; i++) largest = Math.max(largest, Math.abs(map?.data[i] ?? 0));
    return b + largest;
  };
  const last = leastFactor(r.factors);
  return floatEpilogueIsExact({ low: r.low, high: r.high, channels, added, last, step: (c) => stepOf(r, c) });
}

/** The ends of primitives make the largest integer of NaN, and not the least. */
const isFiniteTensor = ({ data }: ITensor<'f32' | 'f64' | 's32'>): boolean => data.every(Number.isFinite);

/** The channel with the least multiplier, where channels differ in nothing else. */
function leastFactor({ multiplier, scale, offset }: Requantize['factors']): number | undefined {
  if (scale || offset) return undefined;
  let least = 0;
  for (let c = 0; c < multiplier.data.length; c++) if (multiplier.data[c] < multiplier.data[least]) least = c;
  return multiplier.data[least] > 0 ? least : undefined;
}

/** The operands of a fused epilogue as constants. */
export function epilogueOperands(a: Algebra, { bias, map }: Pick<SumChain, 'bias' | 'map'>, r?: Requantize) {
  const { scale, offset, multiplier } = r?.factors ?? {};
  const flat = (t: ITensor<'f32'>) => a.constant(tensor('f32', t.data));
  return {
    ...(bias && { bias: a.constant(bias) }),
    ...(map && { map: a.constant(map) }),
    ...(multiplier && { multiplier: a.constant({ ...multiplier, shape: [multiplier.data.length] }) }),
    ...(scale && { scale: flat(scale) }),
    ...(offset && { offset: flat(offset) }),
  };
}

/** The epilogue of a chain as an operator of its own, in int32 to the end; to s32 without a requantize. */
export function separateEpilogue(graph: GraphEditor, a: Algebra, chain: SumChain, axis: number, r?: Requantize): Value {
  const shift = r?.factors.shift;
  const s32 = (id: ValueId) => ofType(graph.value(id), 's32');
  const operands = {
    x: s32(chain.sum),
    ...epilogueOperands(a, chain, r),
    ...(chain.row && chain.column && { row: s32(chain.row), column: a.constant(chain.column) }),
    ...(shift && { shift: a.constant({ ...shift, shape: [shift.data.length] }) }),
  };
  return a.emit(dnnlRequantize, operands, { ...endOf(r), axis, ...(r && { rounding: r.rounding }) });
}

/** The attributes of a fused epilogue. */
export const endOf = (r: Requantize | undefined) =>
  r
    ? { to: r.to, zeroPoint: r.zeroPoint, zeroPointAt: r.zeroPointAt, low: r.low, high: r.high }
    : ({ to: 's32' } as const);
