/** Arithmetic on the known elements of small integer tensors: what exporters do to shapes. */
import { addDims, divDims, mulDims } from '../../ir/dims.ts';
import type { Dim } from '../../ir/types.ts';
import type { Elements } from '../scope.ts';

const operations: Readonly<Record<string, (a: Dim, b: Dim) => Dim | undefined>> = {
  Add: addDims,
  Sub: (a, b) => (typeof b === 'number' ? addDims(a, -b) : a === b ? 0 : undefined),
  Mul: mulDims,
  Div: (a, b) => (typeof b === 'number' && b > 0 && !(typeof a === 'number' && a < 0) ? divDims(a, b) : undefined),
  Equal: (a, b) => {
    if (typeof a === 'number' && typeof b === 'number') return a === b ? 1 : 0;
    if (a === b) return 1;
    // a symbol is a size, and no size is negative
    return [a, b].some((x) => typeof x === 'number' && x < 0) ? 0 : undefined;
  },
};

/** Elementwise, one operand possibly a single element; undefined where the result is not known. */
export function dimsOfBinary(name: string, a: Elements | undefined, b: Elements | undefined): Elements | undefined {
  const operation = Object.hasOwn(operations, name) ? operations[name] : undefined;
  if (!operation || !a || !b || (a.length !== b.length && a.length !== 1 && b.length !== 1)) return undefined;
  const at = (elements: Elements, i: number) => elements[elements.length === 1 ? 0 : i];
  const length = a.length === 1 ? b.length : a.length;
  const result = Array.from({ length }, (_, i) => operation(at(a, i), at(b, i)));
  return result.every((dim) => dim !== undefined) ? (result as Elements) : undefined;
}
