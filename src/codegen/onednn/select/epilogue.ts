/** The fused end of a sum: what of it a primitive may take, and what our own epilogue kernel has to do. */
import { type ITensor, type Node, tensor, type Value, type ValueId } from '../../../ir/index.ts';
import { dnnlRequantize } from '../../../ir/ops/dnnl_requantize.op.ts';
import type { Algebra } from '../../../passes/rewrite/algebra.ts';
import type { GraphEditor } from '../../../passes/rewrite/editor.ts';
import { floatEpilogueIsExact } from './exactness.ts';
import type { SumChain } from './sum_chain.ts';

/** A requantize that the fused operators know: ONNX Runtime's recipe with constant parameters. */
export interface Requantize {
  readonly to: 'u8' | 's8';
  readonly multiplier: ITensor<'f32'>;
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
  readonly axis: number;
}

export function requantizeOf(graph: GraphEditor, node: Node): Requantize | undefined {
  const [x, multiplierId, zyId] = node.operands as readonly ValueId[];
  const { arithmetic, rounding, zeroPoint, low, high, axis } = node.attrs as Record<string, number | string>;
  const [multiplier, zy] = [graph.constant(multiplierId) as ITensor<'f32'> | undefined, graph.constant(zyId)];
  if (arithmetic !== 'f32' || rounding !== 'half-even' || zeroPoint !== 'after' || !multiplier || !zy) return undefined;
  if (graph.type(x).dtype !== 's32' || multiplier.shape.length > 1) return undefined;
  const rank = graph.type(x).shape.length;
  const { dtype, data } = zy as ITensor<'u8' | 's8'>;
  const [min, max] = dtype === 'u8' ? [0, 255] : [-128, 127];
  return {
    to: dtype,
    multiplier,
    zeroPoint: data[0],
    low: Math.max(low as number, min),
    high: Math.min(high as number, max),
    axis: ((axis as number) + rank) % rank,
  };
}

/** Whether oneDNN's own epilogue is exact for this chain: see exactness.ts. `shifted`: the primitive corrects a source zero point. */
export function primitiveMayFinish(
  { bias, map, row }: SumChain,
  r: Requantize,
  channels: number,
  shifted: boolean,
): boolean {
  if (row !== undefined) return false;
  if (bias === undefined && map === undefined && !shifted) return true;
  const inner = map ? map.data.length / channels : 0;
  const added = (c: number): number => {
    const b = Math.abs(bias?.data[c] ?? 0);
    let largest = 0;
    for (let i = c * inner; i < (c + 1) * inner; i++) largest = Math.max(largest, Math.abs(map?.data[i] ?? 0));
    return b + largest;
  };
  const { data } = r.multiplier;
  return floatEpilogueIsExact({ ...r, channels, added, multiplier: (c) => data[data.length === 1 ? 0 : c] });
}

/** The operands of a fused epilogue as constants. */
export function epilogueOperands(
  a: Algebra,
  { bias, map }: Pick<SumChain, 'bias' | 'map'>,
  multiplier?: ITensor<'f32'>,
) {
  return {
    ...(bias && { bias: a.constant(bias) }),
    ...(map && { map: a.constant(map) }),
    ...(multiplier && { multiplier: a.constant(tensor('f32', multiplier.data)) }),
  };
}

/** The epilogue as an operator of its own, in int32 to the end; to s32 without a requantize. */
export function separateEpilogue(a: Algebra, x: Value<'s32'>, chain: SumChain, axis: number, r?: Requantize): Value {
  const operands = {
    x,
    ...epilogueOperands(a, chain, r?.multiplier),
    ...(chain.row && chain.column && { row: chain.row, column: a.constant(chain.column) }),
  };
  const { to = 's32', zeroPoint = 0, low, high } = r ?? {};
  return a.emit(dnnlRequantize, operands, {
    to,
    zeroPoint,
    axis,
    ...(low !== undefined && { low }),
    ...(high !== undefined && { high }),
  });
}
