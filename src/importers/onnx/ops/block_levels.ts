/** Weights whose codes of 4 bits stand for the levels of a table: products of bitsandbytes. */

import { nnMatmul, qnnBlockMatmul, type Value } from '../../../ir/index.ts';
import { isBlock, levelTables, withHalvesSwapped } from '../../../numerics/index.ts';
import { type ITensor, tensor } from '../../../tensors/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/** Weights [columns, depth], one after another: two codes in a byte, the highest bits first, in blocks that go on from row to row. */
interface Levels {
  readonly depth: number;
  readonly columns: number;
  readonly block: number;
  readonly codes: Uint8Array;
  readonly scales: Float32Array;
}

/** The largest block that begins in each row anew: a common divisor, as blocks are powers of 2. */
const commonBlock = (depth: number, block: number): number =>
  depth % block === 0 ? block : commonBlock(depth, block / 2);

/** The scale of each block of `wanted` elements, several of which a block of the file may hold. */
const scalesOf = ({ depth, columns, block, scales }: Levels, wanted: number): Float32Array =>
  Float32Array.from({ length: (columns * depth) / wanted }, (_, i) => scales[Math.floor((i * wanted) / block)]);

/** fl(level·scale), transposed: [depth, columns]. */
function floatsOf({ depth, columns, block, codes, scales }: Levels, table: Float32Array): Float32Array {
  const floats = new Float32Array(depth * columns);
  for (let at = 0; at < floats.length; at++) {
    const byte = codes[at >> 1];
    const level = table[at % 2 === 0 ? byte >> 4 : byte & 15];
    floats[(at % depth) * columns + Math.floor(at / depth)] = level * scales[Math.floor(at / block)];
  }
  return floats;
}

/** MatMulBnb4: weights stay packed where rows of them are whole blocks of 16 or more, else they become floats, as ONNX Runtime makes of them in each run. */
function levelProduct(ctx: NodeContext): Value {
  const [depth, columns, block] = (['K', 'N', 'block_size'] as const).map((name) => ctx.attr.int(name, 0));
  const kind = ctx.attr.int('quant_type', -1);
  if (ctx.attr.int('transB', 1) !== 1) ctx.unsupported('weights that are not transposed');
  if (kind !== 0 && kind !== 1) ctx.unsupported(`levels of the kind ${kind}`);
  if (!isBlock(block)) ctx.unsupported(`blocks of ${block} numbers`);
  if (depth < 1 || columns < 0) ctx.unsupported(`weights of ${columns} x ${depth}`);
  const a = ctx.get('A');
  if (a.type.dtype !== 'f32' || a.type.shape.at(-1) !== depth)
    ctx.unsupported(`[${a.type.shape}] of ${a.type.dtype} are not known to be rows of ${depth} floats`);
  const constant = (name: string, elements: number): ITensor => {
    const known = ctx.constantOf(ctx.get(name));
    if (known === undefined) return ctx.unsupported(`'${name}' is computed while the model runs`);
    if (known.data.length !== elements)
      ctx.unsupported(`'${name}' has ${known.data.length} elements, and should have ${elements}`);
    return known;
  };
  const codes = constant('B', Math.ceil((columns * depth) / 2));
  const scales = constant('absmax', Math.ceil((columns * depth) / block));
  if (codes.dtype !== 'u8' || scales.dtype !== 'f32') ctx.unsupported(`${codes.dtype} with scales of ${scales.dtype}`);
  const given = (): Levels => ({
    ...{ depth, columns, block },
    codes: codes.data as Uint8Array,
    scales: scales.data as Float32Array,
  });
  const levels = kind === 0 ? 'fp4' : 'nf4';
  const whole = commonBlock(depth, block);
  if (!isBlock(whole)) {
    const shape = [depth, columns];
    const floats = () => tensor('f32', floatsOf(given(), levelTables[levels]), shape);
    return ctx.emit(nnMatmul, { a, b: ctx.lazy({ dtype: 'f32', shape }, floats, 'weights') });
  }
  const shape = [columns, depth / whole, whole / 2];
  const operands = {
    a: a as Value<'f32'>,
    b: ctx.lazy({ dtype: 'u8', shape }, () => tensor('u8', withHalvesSwapped(given().codes), shape), 'B'),
    scale: ctx.lazy(
      { dtype: 'f32', shape: shape.slice(0, 2) },
      () => tensor('f32', scalesOf(given(), whole), shape.slice(0, 2)),
      'absmax',
    ),
  };
  return ctx.emit(qnnBlockMatmul, operands, { bits: 4, block: whole, levels });
}

export const levelOps: readonly OnnxOp[] = [
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'MatMulBnb4',
    inputs: ['A: T1', 'B: T2', 'absmax: T1'],
    attributes: ['K', 'N', 'block_size', 'quant_type', 'training_mode', 'transB'],
    import: levelProduct,
  }),
];
