/**
 * Elementwise operators on two tensors. Small integers are computed in s32 and u32 in s64, which wraps to the same, because
 * runtimes have few kernels for them. Integer division guards against 0, which ONNX leaves undefined and the IR does not.
 */
import type { DType } from '../../../ir/index.ts';
import { type Attributes, castTo, flag, type NodeEmitter, type Written } from '../node_emitter.ts';
import { finishVia, ordered, via, widened } from './elements.ts';

const operands = (e: NodeEmitter, wide: DType | undefined): readonly string[] =>
  via(e, e.type(0).dtype, wide, [e.input(0), e.input(1)]);

export const arithmetic =
  (opType: string) =>
  (e: NodeEmitter): Written => {
    e.since(7, 'broadcasting');
    const wide = widened(e.type(0).dtype);
    return finishVia(e, wide, opType, operands(e, wide));
  };

const isReal = (dtype: DType): boolean => dtype === 'f32' || dtype === 'f64';

/** u64 is beyond s64: what is neither a sum nor a product is left to runtimes that have it. */
const signed = (dtype: DType): DType | undefined => (dtype === 'u64' ? undefined : widened(dtype));

const quotient =
  (opType: string) =>
  (e: NodeEmitter): Written => {
    e.since(7, 'broadcasting');
    const { dtype } = e.type(0);
    const attributes: Attributes = opType === 'Mod' && e.attr<boolean>('fmod') ? { fmod: flag(true) } : {};
    const isFloatRemainder = opType === 'Mod' && isReal(dtype);
    if (isFloatRemainder && !e.attr<boolean>('fmod'))
      return e.refuse('ONNX has no remainder of floats with the sign of b');
    const wide = signed(dtype);
    const [a, b] = operands(e, wide);
    const divisor = e.constantAt(1)?.data as ArrayLike<number | bigint> | undefined;
    const isSafe = isReal(dtype) || (divisor !== undefined && Array.from(divisor).every((v) => Number(v) !== 0));
    if (isSafe) return finishVia(e, wide, opType, [a, b], attributes);
    const own = wide ?? dtype;
    const [some, none] = nonZero(e, b, own);
    const value = e.add(opType, [a, e.add('Add', [b, none])], attributes);
    return finishVia(e, wide, 'Mul', [value, some]);
  };

/** 1 where b is not 0 and 0 elsewhere, and the other way round. */
function nonZero(e: NodeEmitter, b: string, dtype: DType): readonly [string, string] {
  const some = e.cast(b, 'bool');
  return [e.cast(some, dtype), e.cast(e.add('Not', [some]), dtype)];
}

export const div = quotient('Div');
export const mod = (e: NodeEmitter): Written => {
  e.since(10, 'Mod');
  return quotient('Mod')(e);
};

/** Min and Max broadcast since version 8 and take integers since 12; before, those of up to 32 bits go through f64. */
export const extremum =
  (opType: string) =>
  (e: NodeEmitter): Written => {
    const { dtype } = e.type(0);
    e.since(isReal(dtype) || !/64/.test(dtype) ? 8 : 12, `${opType} of ${dtype}`);
    const wide = isReal(dtype) ? undefined : e.opset < 12 ? 'f64' : ordered(dtype);
    return finishVia(e, wide, opType, operands(e, wide));
  };

/** The power in binary64, truncated; 64-bit integers as the runtime does it. */
export function pow(e: NodeEmitter): Written {
  const { dtype } = e.type(0);
  e.since(dtype === 's64' || dtype === 'u64' ? 12 : 7, 'Pow');
  const wide = isReal(dtype) || dtype === 's64' || dtype === 'u64' ? undefined : 'f64';
  return finishVia(e, wide, 'Pow', operands(e, wide));
}

/** Comparisons of bool and of small integers go through s32. */
function comparable(e: NodeEmitter, opType: string): readonly string[] {
  const { dtype } = e.type(0);
  if (opType === 'Equal' && isReal(dtype)) e.since(11, 'Equal of floats');
  else e.since(9, opType);
  return operands(e, dtype === 'bool' ? 's32' : signed(dtype));
}

export const comparison =
  (opType: string) =>
  (e: NodeEmitter): Written =>
    e.finish(opType, comparable(e, opType));

/** ≥ and ≤ are operators since version 12. Before: < or =, which NaN fails as well. */
export const orEqual =
  (opType: 'GreaterOrEqual' | 'LessOrEqual') =>
  (e: NodeEmitter): Written => {
    const strict = opType === 'GreaterOrEqual' ? 'Greater' : 'Less';
    const sides = comparable(e, e.opset < 12 ? 'Equal' : strict);
    if (e.opset >= 12) return e.finish(opType, sides);
    return e.finish('Or', [e.add(strict, sides), e.add('Equal', sides)]);
  };

export const logical =
  (opType: string) =>
  (e: NodeEmitter): Written => {
    e.since(7, 'broadcasting');
    return e.finish(opType, e.inputs());
  };

export function where(e: NodeEmitter): Written {
  e.since(9, 'Where');
  const { dtype } = e.type(1);
  const wide = dtype === 'u8' ? undefined : dtype === 'bool' ? 'u8' : widened(dtype);
  const [a, b] = via(e, dtype, wide, [e.input(1), e.input(2)]);
  if (wide === undefined) return e.finish('Where', [e.input(0), a, b]);
  return e.finish('Cast', [e.add('Where', [e.input(0), a, b])], castTo(dtype));
}

export function prelu(e: NodeEmitter): Written {
  e.since(7, 'broadcasting');
  return e.finish('PRelu', e.inputs());
}
