/** Types of values: element type and shape; dimensions are numbers or named symbols (a dynamic batch is normal). */
import type { Location } from '../diagnostics/index.ts';
import type { DType } from '../tensors/index.ts';

/** A size, or a symbol such as `N`; derived sizes are symbols too, spelled as an expression: `(H+1)/2`. */
export type Dim = number | string;
export type Shape = readonly Dim[];

/**
 * The type of a value. `opaque` stands for values that unskew can only carry (an element type it does not compute with,
 * or an unknown shape; the shape is then `[]` and means nothing); only opaque operators read and write such values.
 */
export interface TensorType<D extends DType | 'opaque' = DType | 'opaque'> {
  readonly dtype: D;
  readonly shape: Shape;
}

export type ValueId = string & { readonly __brand: 'ValueId' };
/** A node is named after its first result. */
export type NodeId = ValueId;
/** The id of the value or node of this name. Only this function makes ids. */
export const valueId = (name: string): ValueId => name as ValueId;

/** The place in the model that something comes from. */
export type Loc = Location;

export const isStatic = (shape: Shape): shape is readonly number[] => shape.every((dim) => typeof dim === 'number');

/** The type of a value whose sizes are all known, and which is computed with. */
export interface StaticType {
  readonly dtype: DType;
  readonly shape: readonly number[];
}
export const isStaticType = (type: TensorType): type is StaticType => type.dtype !== 'opaque' && isStatic(type.shape);

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, i) => dim === b[i]);

export const formatType = ({ dtype, shape }: TensorType): string => `${dtype}[${shape.map(formatDim).join(',')}]`;

const formatDim = (dim: Dim): string =>
  typeof dim === 'number' || /^[A-Za-z_][\w.]*$/.test(dim) ? String(dim) : JSON.stringify(dim);
