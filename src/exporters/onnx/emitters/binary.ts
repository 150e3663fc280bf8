/**
 * Elementwise operators on two tensors. Small integers are computed in s32 and u32 in s64, which wraps to the same, because
 * runtimes have few kernels for them. Integer division guards against 0, which ONNX leaves undefined and the IR does not.
 */
import {
  type DType,
  dtypes,
  type nnMod,
  type nnPrelu,
  type nnWhere,
  numbersOf,
  type OpWith,
} from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { type Attributes, castTo, flag, type NodeWriter, type Written } from '../node_writer.ts';
import { finishVia, ordered, via, widened } from './elements.ts';

type Binary = NodeEmitter<OpWith<'a' | 'b'>>;

const operands = (e: Binary, wide: DType | undefined): readonly string[] => via(e, wide, e.view.a, e.view.b);
const dtypeOf = (e: Binary): DType => e.typeOf(e.view.a).dtype;

export const arithmetic =
  (opType: string) =>
  (e: Binary): Written => {
    e.since(7, 'broadcasting');
    const wide = widened(dtypeOf(e));
    return finishVia(e, wide, opType, operands(e, wide));
  };

const isReal = (dtype: DType): boolean => dtype === 'f32' || dtype === 'f64';

/** u64 is beyond s64: only sums and products can use s64. All other operators need a runtime that has them for u64. */
const signed = (dtype: DType): DType | undefined => (dtype === 'u64' ? undefined : widened(dtype));

function quotient(e: Binary, opType: string, attributes: Attributes = {}): Written {
  const dtype = dtypeOf(e);
  const wide = signed(dtype);
  const [a, b] = operands(e, wide);
  const divisor = e.constantOf(e.view.b);
  const isSafe = isReal(dtype) || (divisor !== undefined && numbersOf(divisor).every((v) => v !== 0));
  if (isSafe) return finishVia(e, wide, opType, [a, b], attributes);
  const own = wide ?? dtype;
  const [some, none] = nonZero(e, b, own);
  const value = e.add(opType, [a, e.add('Add', [b, none])], attributes);
  return finishVia(e, wide, 'Mul', [value, some]);
}

/** 1 where b is not 0 and 0 elsewhere, and the other way round. */
function nonZero(e: NodeWriter, b: string, dtype: DType): readonly [string, string] {
  const some = e.cast(b, 'bool');
  return [e.cast(some, dtype), e.cast(e.add('Not', [some]), dtype)];
}

export function div(e: Binary): Written {
  e.since(7, 'broadcasting');
  return quotient(e, 'Div');
}

export function mod(e: NodeEmitter<typeof nnMod>): Written {
  e.since(10, 'Mod');
  const { fmod } = e.view.attrs;
  if (isReal(dtypeOf(e)) && !fmod) return e.refuse('ONNX has no remainder of floats with the sign of b');
  return quotient(e, 'Mod', fmod ? { fmod: flag(true) } : {});
}

/**
 * Min and Max broadcast since version 8 and take integers since 12; before, integers of up to 32 bits go through f64.
 */
export const extremum =
  (opType: string) =>
  (e: Binary): Written => {
    const dtype = dtypeOf(e);
    e.since(isReal(dtype) || dtypes[dtype].bits < 64 ? 8 : 12, `${opType} of ${dtype}`);
    const wide = isReal(dtype) ? undefined : e.opset < 12 ? 'f64' : ordered(dtype);
    return finishVia(e, wide, opType, operands(e, wide));
  };

/** The power in binary64, truncated; 64-bit integers as the runtime does it. */
export function pow(e: Binary): Written {
  const dtype = dtypeOf(e);
  e.since(dtype === 's64' || dtype === 'u64' ? 12 : 7, 'Pow');
  const wide = isReal(dtype) || dtype === 's64' || dtype === 'u64' ? undefined : 'f64';
  return finishVia(e, wide, 'Pow', operands(e, wide));
}

/** Comparisons of bool and of small integers go through s32. */
function comparable(e: Binary, opType: string): readonly string[] {
  const dtype = dtypeOf(e);
  if (opType === 'Equal' && isReal(dtype)) e.since(11, 'Equal of floats');
  else e.since(9, opType);
  return operands(e, dtype === 'bool' ? 's32' : signed(dtype));
}

export const comparison =
  (opType: string) =>
  (e: Binary): Written =>
    e.finish(opType, comparable(e, opType));

/** ≥ and ≤ are operators since version 12. Before: < or =, which NaN fails as well. */
export const orEqual =
  (opType: 'GreaterOrEqual' | 'LessOrEqual') =>
  (e: Binary): Written => {
    const strict = opType === 'GreaterOrEqual' ? 'Greater' : 'Less';
    const sides = comparable(e, e.opset < 12 ? 'Equal' : strict);
    if (e.opset >= 12) return e.finish(opType, sides);
    return e.finish('Or', [e.add(strict, sides), e.add('Equal', sides)]);
  };

export const logical =
  (opType: string) =>
  (e: Binary): Written => {
    e.since(7, 'broadcasting');
    return e.finish(opType, e.inputs());
  };

export function where(e: NodeEmitter<typeof nnWhere>): Written {
  e.since(9, 'Where');
  const { cond } = e.view;
  const { dtype } = e.typeOf(e.view.a);
  const wide = dtype === 'u8' ? undefined : dtype === 'bool' ? 'u8' : widened(dtype);
  const [a, b] = via(e, wide, e.view.a, e.view.b);
  if (wide === undefined) return e.finish('Where', [e.value(cond), a, b]);
  return e.finish('Cast', [e.add('Where', [e.value(cond), a, b])], castTo(dtype));
}

export function prelu(e: NodeEmitter<typeof nnPrelu>): Written {
  e.since(7, 'broadcasting');
  return e.finish('PRelu', e.inputs());
}
