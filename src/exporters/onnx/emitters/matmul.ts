/**
 * Matrix products: MatMul for floats, MatMulInteger for bytes, MatMul on s32 for all other types. All bit-exact (floats
 * up to the order of summation).
 */
import {
  isFloat,
  type nnMatmul,
  type qnnBlockGather,
  type qnnBlockMatmul,
  type qnnMatmul,
  sizeOf,
  tensor,
  type ValueId,
} from '../../../ir/index.ts';
import { withHalvesSwapped } from '../../../numerics/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { int, type Written } from '../node_writer.ts';

export function matmul(e: NodeEmitter<typeof nnMatmul>): Written {
  const sides = [e.view.a, e.view.b];
  const [a, b] = sides.map((id) => e.typeOf(id).dtype);
  if (isFloat(a)) return e.finish('MatMul', e.inputs());
  if (a !== 's32' && b !== 's32') return e.finish('MatMulInteger', e.inputs());
  e.since(9, 'MatMul on integers');
  return e.finish(
    'MatMul',
    sides.map((id) => (e.typeOf(id).dtype === 's32' ? e.value(id) : e.cast(e.value(id), 's32'))),
  );
}

/** ONNX Runtime takes a scalar zero point on the left and one per column on the right; others are subtracted in s32. */
export function quantizedMatmul(e: NodeEmitter<typeof qnnMatmul>): Written {
  const { a, b, za, zb } = e.view;
  const rank = (id: ValueId): number => e.typeOf(id).shape.length;
  const isOne = (zero: ValueId): boolean => e.typeOf(zero).shape.every((dim) => dim === 1);
  const isByColumn = zb && rank(zb) === 1 && rank(b) === 2;
  if ((!za || isOne(za)) && (!zb || isOne(zb) || isByColumn)) {
    const zero = (id: ValueId | undefined): string => (id && isOne(id) ? e.reshaped(id, []) : e.value(id));
    return e.finish('MatMulInteger', [e.value(a), e.value(b), zero(za), zero(zb)]);
  }
  e.since(9, 'MatMul on integers');
  const side = (id: ValueId, zero: ValueId | undefined, axisFromEnd: number): string => {
    const wide = e.cast(e.value(id), 's32');
    if (!zero) return wide;
    return e.add('Sub', [wide, e.cast(e.alongAxis(zero, rank(id) - axisFromEnd, rank(id)), 's32')]);
  };
  return e.finish('MatMul', [side(a, za, 2), side(b, zb, 1)]);
}

/** ONNX itself has no such gather. */
export function blockGather(e: NodeEmitter<typeof qnnBlockGather>): Written {
  const { bits, block } = e.view.attrs;
  const attributes = { bits: int(bits), block_size: int(block), gather_axis: int(0), quantize_axis: int(1) };
  return e.finish('GatherBlockQuantized', e.inputs(), attributes, 'com.microsoft');
}

/** ONNX itself has no such product. */
export function blockMatmul(e: NodeEmitter<typeof qnnBlockMatmul>): Written {
  const { a, b, attrs } = e.view;
  if (attrs.levels !== 'affine') return levelMatmul(e);
  const attributes = {
    K: int(Number(e.typeOf(a).shape.at(-1))),
    N: int(Number(e.typeOf(b).shape[0])),
    bits: int(attrs.bits),
    block_size: int(attrs.block),
    accuracy_level: int(attrs.activations === 's8' ? 4 : 0),
  };
  return e.finish('MatMulNBits', e.inputs(), attributes, 'com.microsoft');
}

/** MatMulBnb4: its blocks go on from row to row, and the highest bits of a byte are first. */
function levelMatmul(e: NodeEmitter<typeof qnnBlockMatmul>): Written {
  const { a, b, scale, attrs } = e.view;
  const codes = e.constantOf(b);
  if (codes === undefined) return e.refuse('its weights are computed while the model runs');
  const bytes = withHalvesSwapped(codes.data as Uint8Array);
  const attributes = {
    K: int(Number(e.typeOf(a).shape.at(-1))),
    N: int(codes.shape[0]),
    block_size: int(attrs.block),
    quant_type: int(attrs.levels === 'fp4' ? 0 : 1),
  };
  const flat = [
    e.constant(tensor('u8', bytes, [bytes.length]), b),
    e.reshaped(scale, [sizeOf(e.known(e.typeOf(scale).shape))]),
  ];
  return e.finish('MatMulBnb4', [e.value(a), ...flat], attributes, 'com.microsoft');
}
