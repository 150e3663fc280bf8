/** The fused end of a sum: what of it a primitive may take, and what our own epilogue kernel has to do. */
import { type ITensor, type Node, tensor, type Value, type ValueId } from '../../../ir/index.ts';
import { dnnlRequantize } from '../../../ir/ops/dnnl_requantize.op.ts';
import { type EpilogueTensors, epilogueStep } from '../../../ir/ops/epilogue.ts';
import type { RequantizeMode } from '../../../numerics/index.ts';
import type { Algebra } from '../../../passes/rewrite/algebra.ts';
import type { GraphEditor } from '../../../passes/rewrite/editor.ts';
import { roundingTail } from '../../../passes/rounding_tail.ts';
import { floatEpilogueIsExact } from './exactness.ts';
import type { SumChain } from './sum_chain.ts';

/** A requantize with constant parameters, whatever its recipe, and the s32 sum that it rounds. */
export interface Requantize {
  readonly sum: Value<'s32'>;
  readonly to: 'u8' | 's8';
  /** scale and offset, multiplier and shift. */
  readonly factors: Omit<EpilogueTensors, 'bias' | 'map'>;
  readonly rounding: RequantizeMode['rounding'];
  readonly zeroPointAt: RequantizeMode['zeroPoint'];
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
  readonly axis: number;
}

/** The requantize of a node, or why its end cannot be fused. */
export function requantizeOf(graph: GraphEditor, node: Node): Requantize | string {
  const [x, multiplierId, zyId, secondId] = node.operands as readonly ValueId[];
  const mode = node.attrs as unknown as RequantizeMode;
  const { low, high, axis } = node.attrs as Record<string, number>;
  const [multiplier, zy, second] = [multiplierId, zyId, secondId].map((id) => graph.constant(id));
  if (!multiplier || !zy || (secondId && !second)) return 'its parameters are computed at run time';
  if (multiplier.shape.length > 1) return 'the multiplier varies along several axes';
  const tail = roundingTail(graph, node);
  if (tail === undefined) return 'it rounds floats that are no sum with a scale and an offset for each channel';
  if (tail.between.some((id) => !graph.isPrivate(id))) return 'the floats in front of it have other readers';
  if (tail.between.length > 0 && mode.arithmetic !== 'f32')
    return `it rounds floats, in the arithmetic ${mode.arithmetic}`;
  const rank = graph.type(x).shape.length;
  const { dtype, data } = zy as ITensor<'u8' | 's8'>;
  const [min, max] = dtype === 'u8' ? [0, 255] : [-128, 127];
  return {
    sum: graph.value(tail.sum) as Value<'s32'>,
    to: dtype,
    factors: factorsOf(mode.arithmetic, multiplier, second, tail),
    rounding: mode.arithmetic === 'fixed' ? 'half-even' : mode.rounding,
    zeroPointAt: mode.arithmetic === 'fixed' ? 'after' : mode.zeroPoint,
    zeroPoint: data[0],
    low: Math.max(low, min),
    high: Math.min(high, max),
    axis: (axis + rank) % rank,
  };
}

/** The two factors of f32-two-step are a scale and a multiplier: fl(fl(fl(A)·first)·second). */
function factorsOf(
  arithmetic: RequantizeMode['arithmetic'],
  first: ITensor,
  second: ITensor | undefined,
  { scale, offset }: { readonly scale?: ITensor<'f32'>; readonly offset?: ITensor<'f32'> },
): Requantize['factors'] {
  if (arithmetic === 'f32-two-step') return { scale: first as ITensor<'f32'>, multiplier: second as ITensor<'f32'> };
  const multiplier = first as ITensor<'f32' | 'f64' | 's32'>;
  if (arithmetic === 'fixed') return { multiplier, shift: second as ITensor<'s32'> };
  return { multiplier, ...(scale && { scale }), ...(offset && { offset }) };
}

/** Whether a primitive can round like that: in f32, half to even. */
export const isFloatRecipe = ({ factors: { multiplier }, rounding }: Requantize): boolean =>
  multiplier?.dtype === 'f32' && rounding === 'half-even';

/** v -> y of one channel. */
export const stepOf = (r: Requantize, channel: number): ((v: number) => number) =>
  epilogueStep(r.factors, channel, r, r.rounding, [r.low, r.high]) as (v: number) => number;

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
const isFiniteTensor = (t: ITensor | undefined): boolean =>
  t === undefined || (t.data as Float32Array).every(Number.isFinite);

/** The channel with the least multiplier, where channels differ in nothing else. */
function leastFactor({ multiplier, scale, offset }: Requantize['factors']): number | undefined {
  if (multiplier === undefined || scale || offset) return undefined;
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

/** The epilogue as an operator of its own, in int32 to the end; to s32 without a requantize. */
export function separateEpilogue(a: Algebra, x: Value<'s32'>, chain: SumChain, axis: number, r?: Requantize): Value {
  const shift = r?.factors.shift;
  const operands = {
    x,
    ...epilogueOperands(a, chain, r),
    ...(chain.row && chain.column && { row: chain.row, column: a.constant(chain.column) }),
    ...(shift && { shift: a.constant({ ...shift, shape: [shift.data.length] }) }),
  };
  return a.emit(dnnlRequantize, operands, { ...endOf(r), axis, ...(r && { rounding: r.rounding }) });
}

/** The attributes of a fused epilogue. */
export const endOf = (r: Requantize | undefined) =>
  r
    ? { to: r.to, zeroPoint: r.zeroPoint, zeroPointAt: r.zeroPointAt, low: r.low, high: r.high }
    : ({ to: 's32' } as const);
