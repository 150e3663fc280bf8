import { fail } from '../../diagnostics/index.ts';
import { allDTypes, type DType, isStoredType, storedTypes, zeros } from '../../tensors/index.ts';
import { attr, defineOp, tensorOf, variadic } from '../define_op.ts';
import { parseType } from '../parse_type.ts';
import { isStatic, type TensorType } from '../types.ts';

const anything = tensorOf(...allDTypes, ...storedTypes, 'opaque');

/**
 * An operator of the source format that unskew does not know or cannot express: carried through every rewrite, named by
 * `inspect`, and refused by name when someone tries to run it, unless none of its results has elements.
 */
export const opaqueOp = defineOp({
  name: 'opaque',
  doc: 'An operator of the source format that is carried and not understood. `operator` is its name, `results` the types of its results as text.',
  operands: { rest: variadic(anything) },
  attrs: { operator: attr.string(), results: attr.types() },
  results: { y: [...allDTypes, ...storedTypes] },
  infer(_types, { results }, refuse) {
    return results.map((text) => parseType(text) ?? refuse(`'${text}' is not a type`));
  },
  evaluate(_tensors, { operator, results }) {
    const types = results.map((text) => parseType(text));
    if (types.every((type) => type !== undefined && holdsNothing(type)))
      return types.map((type) => zeros(type?.dtype as DType, type?.shape as readonly number[]));
    return fail('U2008', `${carriedName(operator)} is not supported and cannot be run`, { op: operator });
  },
});

/** True for a type of which there is one tensor, for it has no elements. */
export const holdsNothing = ({ dtype, shape }: TensorType): boolean =>
  dtype !== 'opaque' && !isStoredType(dtype) && isStatic(shape) && shape.includes(0);

/** An initializer of a type that nobody computes with, as the operator of a node. */
export const initializerOf = (type: string): string => `initializer of ${type}`;
const isInitializer = (operator: string): boolean => operator.startsWith(initializerOf(''));

/** True for a constant of such a type, which stands as a node where others are values. */
export const isCarriedInitializer = (node: {
  readonly op: string;
  readonly attrs: Readonly<Record<string, unknown>>;
}): boolean => node.op === 'opaque' && isInitializer(String(node.attrs.operator));

/** The name of an opaque node's operator in messages. */
export const carriedName = (operator: string): string => `the ${isInitializer(operator) ? '' : 'operator '}${operator}`;
