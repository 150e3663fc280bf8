/**
 * Elementwise operators on two tensors. Integer division guards against 0, which ONNX leaves undefined and the IR does not.
 */
import { type DType, dtypes, isFloat, type nnMod, numbersOf, type OpWith } from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import type { NodeWriter, Written } from '../node_writer.ts';
import { formOf, operandsOf, partsOf } from './by_form.ts';
import { finishVia } from './elements.ts';

type Binary = NodeEmitter<OpWith<'a' | 'b'>>;

const dtypeOf = (e: Binary): DType => e.typeOf(e.view.a).dtype;

export function div(e: Binary): Written | undefined {
  const dtype = dtypeOf(e);
  const divisor = e.constantOf(e.view.b);
  if (isFloat(dtype) || (divisor !== undefined && numbersOf(divisor).every((v) => v !== 0))) return undefined;
  const { opType, inputs, attributes, wider } = partsOf(e);
  const [a, b] = inputs;
  const [some, none] = nonZero(e, b, wider ?? dtype);
  const value = e.add(opType, [a, e.add('Add', [b, none])], attributes);
  return finishVia(e, wider, 'Mul', [value, some]);
}

/** 1 where b is not 0 and 0 elsewhere, and the other way round. */
function nonZero(e: NodeWriter, b: string, dtype: DType): readonly [string, string] {
  const some = e.cast(b, 'bool');
  return [e.cast(some, dtype), e.cast(e.add('Not', [some]), dtype)];
}

export function mod(e: NodeEmitter<typeof nnMod>): Written | undefined {
  if (isFloat(dtypeOf(e)) && !e.view.attrs.fmod) return e.refuse('ONNX has no remainder of floats with the sign of b');
  return div(e);
}

/** Min and Max broadcast since version 8 and take integers of 64 bits since 12. */
export function extremum(e: Binary): undefined {
  const dtype = dtypeOf(e);
  e.since(isFloat(dtype) || dtypes[dtype].bits < 64 ? 8 : 12, `${formOf(e).onnx.opType} of ${dtype}`);
}

export function pow(e: Binary): undefined {
  const dtype = dtypeOf(e);
  if (!isFloat(dtype) && dtypes[dtype].bits === 64) e.since(12, 'Pow');
}

export function equal(e: Binary): undefined {
  if (isFloat(dtypeOf(e))) e.since(11, 'Equal of floats');
}

/** ≥ and ≤ before version 12: < or =, which NaN fails as well. */
export const orEqual =
  (strict: 'Greater' | 'Less') =>
  (e: Binary): Written => {
    equal(e);
    e.since(9, 'Equal');
    const { names } = operandsOf(e);
    return e.finish('Or', [e.add(strict, names), e.add('Equal', names)]);
  };
