/**
 * The convolution of s32, as the strategy s32-shift leaves it: of differences of bytes, which ConvInteger takes in parts.
 * With v⁺ = max(v, 0) and v⁻ = max(−v, 0), both u8 where |v| ≤ 255:
 *
 *   conv(x, w) = conv(x⁺, w⁺) − conv(x⁺, w⁻) − conv(x⁻, w⁺) + conv(x⁻, w⁻)        bit-exact, zero padding stays
 *
 * Wider integers have no form.
 */
import { type ITensor, type nnConv, numbersOf, tensor, type ValueId } from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import type { NodeWriter, Written } from '../node_writer.ts';
import { convAttributes } from './conv_attributes.ts';
import { clipped } from './elements.ts';
import { knownOf, rangeOf } from './range.ts';

interface Part {
  readonly name: string;
  readonly sign: 1 | -1;
}

/** v⁺ and v⁻ as u8, without the ones that are 0 throughout. */
function partsOf(e: NodeWriter, id: ValueId): readonly Part[] {
  const [low, high] = rangeOf(e, id);
  if (low < -255 || high > 255)
    return e.refuse('ONNX has no convolution of s32, and its operands are not known to be differences of bytes');
  const constant = knownOf(e, id);
  const signs = ([1, -1] as const).filter((sign) => (sign === 1 ? high > 0 || low >= 0 : low < 0));
  return signs.map((sign) => ({
    sign,
    name: constant ? constantPart(e, id, constant, sign) : runtimePart(e, id, sign),
  }));
}

function constantPart(e: NodeWriter, id: ValueId, constant: ITensor, sign: 1 | -1): string {
  const part = numbersOf(constant).map((v) => Math.max(0, sign * v));
  return e.constant(tensor('u8', part, constant.shape), `${id}.${sign === 1 ? 'positive' : 'negative'}`);
}

function runtimePart(e: NodeWriter, id: ValueId, sign: 1 | -1): string {
  const wide = e.typeOf(id).dtype === 's32' ? e.value(id) : e.cast(e.value(id), 's32');
  return e.cast(clipped(e, sign === 1 ? wide : e.add('Neg', [wide]), 's32', 0, 255), 'u8');
}

export function wideConv(e: NodeEmitter<typeof nnConv>): Written {
  const { x, w, attrs } = e.view;
  const attributes = convAttributes(attrs, e.known(e.typeOf(w).shape));
  const weights = partsOf(e, w);
  const terms = partsOf(e, x).flatMap((x) =>
    weights.map((w) => ({ sign: x.sign * w.sign, name: e.add('ConvInteger', [x.name, w.name], attributes) })),
  );
  const [first, ...rest] = terms;
  const start = first.sign === 1 ? first.name : e.add('Neg', [first.name]);
  const sum = rest.reduce((total, { sign, name }) => e.add(sign === 1 ? 'Add' : 'Sub', [total, name]), start);
  return e.finish('Identity', [sum]);
}
