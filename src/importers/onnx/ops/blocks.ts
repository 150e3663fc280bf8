/** Weights of few bits in blocks: products with them, and rows of tables. */

import { isStatic, nnAdd, qnnBlockGather, qnnBlockMatmul, type Shape, sizeOf, type Value } from '../../../ir/index.ts';
import { bytesOfCodes, isBlock, isCodeBits, packedCodes } from '../../../numerics/index.ts';
import { isPackedTensor, tensor } from '../../../tensors/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import { groupedProduct, groupsOf } from './block_groups.ts';
import { tableGather } from './block_tables.ts';

/** MatMulNBits: `accuracy_level` permits a less exact computation, and one on bytes is as exact as its 4 says; with g_idx ONNX Runtime computes on floats. */
function blockProduct(ctx: NodeContext): Value {
  const [bits, block] = [ctx.attr.int('bits', 4), ctx.attr.int('block_size', 0)];
  const [depth, columns] = [ctx.attr.int('K', 0), ctx.attr.int('N', 0)];
  if (ctx.attr.int('weight_prepacked', 0) !== 0) ctx.unsupported('weights in the layout of another processor');
  if (!isCodeBits(bits) || !isBlock(block)) ctx.unsupported(`blocks of ${block} numbers of ${bits} bits`);
  const a = ctx.get('A');
  if (a.type.shape.at(-1) !== depth) ctx.unsupported(`[${a.type.shape}] are not known to be rows of ${depth}`);
  const blocks = Math.ceil(depth / block);
  const constant = (name: string, shape: Shape): Value | undefined => {
    const value = ctx.find(name);
    if (value === undefined) return undefined;
    if (ctx.constantOf(value) === undefined) ctx.unsupported(`'${name}' is computed while the model runs`);
    if (!isStatic(value.type.shape) || sizeOf(value.type.shape) !== sizeOf(shape as number[]))
      ctx.unsupported(`'${name}' is of shape [${value.type.shape}], not [${shape}]`);
    return ctx.reshape(value, shape);
  };
  const zeros = ctx.find('zero_points')?.type.dtype === 'u8' ? bytesOfCodes(blocks, bits) : blocks;
  const zp = constant('zero_points', [columns, zeros]);
  const operands = {
    a,
    b: constant('B', [columns, blocks, bytesOfCodes(block, bits)]) as Value,
    scale: constant('scales', [columns, blocks]) as Value,
    zp,
  };
  const isOfBytes = ctx.attr.int('accuracy_level', 0) === 4 && (zp === undefined || zp.type.dtype === 'u8');
  // 16-bit floats are computed in binary32, the bias too, and rounded once
  const [wide, bias] = [ctx.cast(a, 'f32'), ctx.find('bias')];
  const given = { ...operands, a: wide, scale: ctx.cast(operands.scale, 'f32'), zp: zp && widened(ctx, zp) };
  const groups = groupsOf(ctx, { bits, block, depth });
  const product = groups
    ? groupedProduct(ctx, given, { bits, block, depth }, groups)
    : ctx.emit(qnnBlockMatmul, given, { bits, block, activations: isOfBytes ? 's8' : 'f32' });
  const sum = bias ? ctx.emit(nnAdd, { a: product, b: ctx.cast(bias, 'f32') }) : product;
  return ctx.cast(sum, a.type.dtype);
}

const widened = (ctx: NodeContext, zp: Value): Value => (zp.type.dtype === 'u8' ? zp : ctx.cast(zp, 'f32'));

/** Elements of int4 and uint4 as codes, those of each row packed apart; codes of int4 begin at its least number. */
function codesOf(ctx: NodeContext, name: string): Value | undefined {
  const value = ctx.find(name);
  if (value === undefined || value.type.dtype === 'u8') return value;
  const known = ctx.constantOf(value);
  if (known === undefined || !isPackedTensor(known))
    return ctx.unsupported(`'${name}' is computed while the model runs`);
  const [rows, length] = known.shape;
  const least = known.dtype === 's4' ? -8 : 0;
  const shape = [rows, bytesOfCodes(length, 4)];
  return ctx.lazy(
    { dtype: 'u8', shape },
    () => tensor('u8', packedCodes(known, { bits: 4, least, wanted: length }), shape),
    name,
  );
}

function blockGather(ctx: NodeContext): Value {
  const data = ctx.get('data');
  const { dtype, shape } = data.type;
  const block = ctx.attr.int('block_size', 128);
  const bits = dtype === 'u8' ? ctx.attr.int('bits', 4) : 4;
  const axis = (name: string, fallback: number) => ctx.axis(ctx.attr.int(name, fallback), shape.length);
  if (!isCodeBits(bits) || !isBlock(block)) ctx.unsupported(`blocks of ${block} numbers of ${bits} bits`);
  const isOfRows =
    shape.length === 2 && isStatic(shape) && axis('gather_axis', 0) === 0 && axis('quantize_axis', 1) === 1;
  if (!isOfRows || (dtype !== 'u8' && ((dtype !== 's4' && dtype !== 'u4') || shape[1] % 2 !== 0)))
    return tableGather(ctx, bits, block);
  const scale = ctx.get('scales');
  const zeros = (): Value | undefined => {
    if (dtype !== 'u4') return undefined;
    const rows = [Number(shape[0]), bytesOfCodes(Math.ceil(shape[1] / block), 4)];
    return ctx.lazy(
      { dtype: 'u8', shape: rows },
      () => tensor('u8', new Uint8Array(sizeOf(rows)), rows),
      'zero_points',
    );
  };
  const operands = { x: codesOf(ctx, 'data') ?? data, indices: ctx.get('indices'), scale };
  return ctx.emit(qnnBlockGather, { ...operands, zp: codesOf(ctx, 'zero_points') ?? zeros() }, { bits, block });
}

export const blockOps: readonly OnnxOp[] = [
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'MatMulNBits',
    inputs: ['A: T1', 'B: T2', 'scales: T1', 'zero_points?', 'g_idx?', 'bias?: T1'],
    attributes: ['K', 'N', 'bits', 'block_size', 'accuracy_level', 'weight_prepacked'],
    import: blockProduct,
  }),
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'GatherBlockQuantized',
    inputs: ['data: T1', 'indices', 'scales', 'zero_points?: T1'],
    attributes: ['bits', 'block_size', 'gather_axis', 'quantize_axis'],
    import: blockGather,
  }),
];
