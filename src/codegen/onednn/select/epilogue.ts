/** The epilogue of a sum: the part that a primitive may take, and the part for our own epilogue kernel. */
import { assert } from '../../../diagnostics/index.ts';
import {
  dnnlRequantize,
  type ITensor,
  type Node,
  ofType,
  qnnRequantize,
  type RequantizationOfSum,
  requantizationOfSum,
  type SumChain,
  tensor,
  type Value,
  type ValueId,
  view,
  whyNotFloats,
} from '../../../ir/index.ts';
import type { Algebra, GraphEditor } from '../../../passes/index.ts';

/** A requantize with constant parameters, of any recipe, and the s32 sum that it rounds. */
export type Requantize = RequantizationOfSum;

/** A requantize whose end can be fused, or why it cannot. */
export function requantizeOf(graph: GraphEditor, node: Node): Requantize | string {
  const requantize = view(qnnRequantize, node);
  assert(requantize, `${node.op} is not a requantize`);
  const found = requantizationOfSum(graph, requantize);
  if (typeof found === 'string') return found;
  if (found.between.some((id) => !graph.isPrivate(id))) return 'the floats in front of it have other readers';
  const { arithmetic } = requantize.attrs;
  return found.between.length > 0 && arithmetic !== 'f32' ? whyNotFloats(arithmetic) : found;
}

/** True when a primitive can round like this recipe: in f32, half to even. */
export const isFloatRecipe = ({ mode: { arithmetic, rounding } }: Requantize): boolean =>
  arithmetic === 'f32' && rounding === 'half-even';

/** The operands of a fused epilogue as constants. */
export function epilogueOperands(a: Algebra, { bias, map }: Pick<SumChain, 'bias' | 'map'>, r?: Requantize) {
  const { scale, offset, multiplier } = r ?? {};
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
  const shift = r?.shift;
  const s32 = (id: ValueId) => ofType(graph.value(id), 's32');
  const operands = {
    x: s32(chain.sum),
    ...epilogueOperands(a, chain, r),
    ...(chain.row && chain.column && { row: s32(chain.row), column: a.constant(chain.column) }),
    ...(shift && { shift: a.constant({ ...shift, shape: [shift.data.length] }) }),
  };
  return a.emit(dnnlRequantize, operands, { ...endOf(r), axis, ...(r && { rounding: r.mode.rounding }) });
}

/** The attributes of a fused epilogue. */
export const endOf = (r: Requantize | undefined) =>
  r
    ? { to: r.to, zeroPoint: r.zeroPoint, zeroPointAt: r.mode.zeroPointAt, low: r.low, high: r.high }
    : ({ to: 's32' } as const);
