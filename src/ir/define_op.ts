/**
 * The declaration of an operator: the only place that knows it. Builder types, verifier, printer, parser, interpreter
 * and exporters derive from it.
 */
import { InternalError } from '../diagnostics/index.ts';
import type { DType, ITensor } from '../tensors/index.ts';
import type { OnnxForm } from './onnx_form.ts';
import type { Shape, StaticType, TensorType, ValueId } from './types.ts';

// ---- operands ---------------------------------------------------------------------------------------------------

export interface OperandSpec<D extends DType | 'opaque' = DType | 'opaque', P extends Presence = Presence> {
  readonly dtypes: readonly D[];
  readonly presence: P;
}
/** `variadic` only as the last operand; entries of a variadic operand may be absent where the operator says so. */
export type Presence = 'required' | 'optional' | 'variadic';

export const tensorOf = <D extends DType | 'opaque'>(...dtypes: readonly D[]): OperandSpec<D, 'required'> => ({
  dtypes,
  presence: 'required',
});
export const optional = <D extends DType | 'opaque'>(spec: OperandSpec<D, 'required'>): OperandSpec<D, 'optional'> => ({
  ...spec,
  presence: 'optional',
});
export const variadic = <D extends DType | 'opaque'>(spec: OperandSpec<D, 'required'>): OperandSpec<D, 'variadic'> => ({
  ...spec,
  presence: 'variadic',
});

export type OperandSpecs = Readonly<Record<string, OperandSpec>>;

/** `{ x: T, zx?: T, rest: T[] }`, with the type that V gives for a value of element type D. */
export type Mapped<O extends OperandSpecs, V extends { readonly [K in keyof O]: unknown }> = {
  readonly [K in keyof O as O[K]['presence'] extends 'optional' ? never : K]: O[K]['presence'] extends 'variadic'
    ? readonly V[K][]
    : V[K];
} & { readonly [K in keyof O as O[K]['presence'] extends 'optional' ? K : never]?: V[K] };

type DTypesOf<S extends OperandSpec> = S['dtypes'][number];
export type OperandTypes<O extends OperandSpecs> = Mapped<O, { [K in keyof O]: TensorType<DTypesOf<O[K]>> }>;
export type OperandTensors<O extends OperandSpecs> = Mapped<
  O,
  { [K in keyof O]: ITensor<Exclude<DTypesOf<O[K]>, 'opaque'>> }
>;
export type OperandValues<O extends OperandSpecs> = Mapped<O, { [K in keyof O]: Value<DTypesOf<O[K]>> }>;

/** True when a value has one of the element types. */
export const isOfType = <D extends DType>(value: Value, ...dtypes: readonly D[]): value is Value<D> =>
  dtypes.some((dtype) => dtype === value.type.dtype);

/** A value that has one of the element types, which the compiler cannot see. */
export function ofType<D extends DType>(value: Value, ...dtypes: readonly D[]): Value<D> {
  if (isOfType(value, ...dtypes)) return value;
  throw new InternalError(`%${value.id} is of type ${value.type.dtype}, not ${dtypes.join(' or ')}`);
}

/** Operands by name where their element types are known at run time only, as in importers. */
export type AnyOperands<O extends OperandSpecs> = Mapped<O, { [K in keyof O]: Value }>;
/** Results likewise: the value itself, or several by name. */
export type AnyResults<R extends ResultSpecs> =
  IsUnion<keyof R> extends true ? { readonly [K in keyof R]: Value } : Value;

/** A value as the builder and the rules handle it: id and type, the element type known to the compiler. See `AnyValue`. */
export interface Value<D extends DType | 'opaque' = DType> {
  readonly id: import('./types.ts').ValueId;
  readonly type: TensorType<D>;
}
/** A value that may be one which is only carried. */
export type AnyValue = Value<DType | 'opaque'>;
/** True when a value has an element type that unskew computes with. */
export const isComputable = (value: AnyValue): value is Value => value.type.dtype !== 'opaque';

// ---- attributes -------------------------------------------------------------------------------------------------

export type AttrValue =
  | number
  | string
  | boolean
  | readonly number[]
  | Shape
  | readonly string[]
  | AttrBytes
  | BodyGraph;
/** Raw bytes carried by opaque operators: not interpreted. */
export interface AttrBytes {
  readonly bytes: Uint8Array;
}
/** A graph inside of an operator, as far as declarations know graphs; `bodiesIn` gives it with its nodes. */
export interface BodyGraph {
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
  readonly values: Readonly<Record<ValueId, { readonly type: TensorType }>>;
  readonly nodes: Readonly<Record<ValueId, object>>;
}
/** True for lists of numbers, sizes or words. */
export const isList = (value: AttrValue): value is Shape => Array.isArray(value);

export interface AttrSpec<T extends AttrValue = AttrValue, Optional extends boolean = boolean> {
  readonly kind: 'int' | 'float' | 'bool' | 'string' | 'ints' | 'floats' | 'dims' | 'strings' | 'types' | 'graph';
  readonly values?: readonly string[];
  readonly default?: T;
  readonly __optional?: Optional;
}
export type AttrSpecs = Readonly<Record<string, AttrSpec>>;

type Maker<T extends AttrValue> = { (): AttrSpec<T, false>; (fallback: T): AttrSpec<T, true> };
const maker = <T extends AttrValue>(kind: AttrSpec['kind']): Maker<T> =>
  ((fallback?: T) => (fallback === undefined ? { kind } : { kind, default: fallback })) as Maker<T>;

/** Kinds of attributes; called with a value they are optional, with this default. */
export const attr = {
  int: maker<number>('int'),
  float: maker<number>('float'),
  bool: maker<boolean>('bool'),
  string: maker<string>('string'),
  ints: maker<readonly number[]>('ints'),
  floats: maker<readonly number[]>('floats'),
  dims: maker<Shape>('dims'),
  strings: maker<readonly string[]>('strings'),
  /** Types as text, `u8[N,3]`: their symbols are bound together with the symbols of the graph. */
  types: maker<readonly string[]>('types'),
  /** A body: its symbols are bound together with the symbols of the graph. */
  graph: maker<BodyGraph>('graph'),
  /** One of the given words; the first is the default when `optional`. */
  oneOf: <const W extends readonly string[]>(...values: W): AttrSpec<W[number], false> => ({ kind: 'string', values }),
  oneOfOr: <const W extends readonly string[]>(fallback: W[number], ...values: W): AttrSpec<W[number], true> => ({
    kind: 'string',
    values,
    default: fallback,
  }),
} as const;

/** Narrows to the words of an attribute that is one of several. */
export const isWordOf = <W extends string>(spec: AttrSpec<W>, word: string): word is W =>
  spec.values?.includes(word) ?? false;

export type AttrType<S extends AttrSpec> = S extends AttrSpec<infer T, boolean> ? T : never;
export type AttrValues<A extends AttrSpecs> = { readonly [K in keyof A]: AttrType<A[K]> };
/** The attributes of a builder call: those with a default may be left out. */
export type AttrArguments<A extends AttrSpecs> = {
  readonly [K in keyof A as A[K] extends AttrSpec<infer _T, true> ? never : K]: AttrType<A[K]>;
} & { readonly [K in keyof A as A[K] extends AttrSpec<infer _T, true> ? K : never]?: AttrType<A[K]> };

// ---- results ----------------------------------------------------------------------------------------------------

/**
 * The element types of a result: a fixed list, the type of an operand, the type that an attribute names, or of its
 * sums.
 */
export type ResultSpec =
  | readonly DType[]
  | { readonly like: string }
  | { readonly given: string }
  | { readonly sumsOf: string };
export type ResultSpecs = Readonly<Record<string, ResultSpec>>;

type ResultDType<S extends ResultSpec, O extends OperandSpecs, V, T> = S extends readonly (infer D)[]
  ? D
  : S extends { readonly like: infer K }
    ? DTypeAt<K, O, V>
    : S extends { readonly sumsOf: infer K }
      ? SumDType<DTypeAt<K, O, V>>
      : S extends { readonly given: infer K extends keyof T }
        ? T[K]
        : never;
type DTypeAt<K, O extends OperandSpecs, V> = K extends keyof V
  ? NonNullable<V[K]> extends Value<infer D> | readonly Value<infer D>[]
    ? D
    : K extends keyof O
      ? DTypesOf<O[K]>
      : never
  : never;
/** The element type of a sum of products. */
type SumDType<D> = D extends 'f32' | 'f64' ? D : 's32';

/** One result: the value itself; several: a record by name. */
export type ResultValues<R extends ResultSpecs, O extends OperandSpecs, V, T> = [keyof R] extends [
  infer Only extends keyof R,
]
  ? IsUnion<keyof R> extends true
    ? { readonly [K in keyof R]: Value<Extract<ResultDType<R[K], O, V, T>, DType>> }
    : Value<Extract<ResultDType<R[Only], O, V, T>, DType>>
  : never;
type IsUnion<T, U = T> = T extends unknown ? ([U] extends [T] ? false : true) : never;

// ---- the operator -----------------------------------------------------------------------------------------------

/** Refuses a node with a message about its fault (throws). */
export type Fault = (message: string, operand?: string) => never;

export interface Refuse extends Fault {
  /** Nothing is wrong with the node, and the operator cannot express it: an importer carries it. */
  readonly limit: Fault;
}

/**
 * - `elementwise`: result element i depends on operand elements i alone (after broadcasting)
 * - `movement`: elements are moved or copied, never changed
 * - `commutative`: operands may be swapped
 * - `quantized`: its integers stand for numbers, and its meaning is exact here, where other runtimes may differ by one
 * - `bodies`: it holds graphs, which decide what its results are
 */
export type Trait = 'elementwise' | 'movement' | 'commutative' | 'identity' | 'quantized' | 'bodies';

/** Runs a graph that an operator holds, for its meaning: the outputs in order. */
export type RunBody = (call: {
  readonly body: string;
  readonly feeds: Readonly<Record<string, ITensor>>;
}) => readonly ITensor[];

export type ProductKind = 'conv' | 'conv_transpose' | 'matmul';

/** The product of an operator, as its declaration states it. */
export interface ProductTrait {
  readonly kind: ProductKind;
  /**
   * `plain`: of floats, or of integers without zero points; `quantized`: of integers with zero points as operands;
   * `fused`: with all steps of one primitive or kernel after the sum.
   */
  readonly form: 'plain' | 'quantized' | 'fused';
}

/**
 * The operators of a graph: `qnn` as imported, zero points anywhere; `nn` as legalized, with the zero points that the
 * target takes; `dnnl` with operators of the back end.
 */
export type Level = 'qnn' | 'nn' | 'dnnl';

export interface OpDeclaration<
  O extends OperandSpecs = OperandSpecs,
  A extends AttrSpecs = AttrSpecs,
  R extends ResultSpecs = ResultSpecs,
  N extends string = string,
> {
  readonly name: N;
  readonly doc: string;
  /** The level of a back end that has the operator; absent: it may occur at every level. */
  readonly level?: 'dnnl';
  readonly operands: O;
  readonly attrs: A;
  readonly results: R;
  readonly traits: readonly Trait[];
  /** The product that the operator computes, if any; it determines the places of factors, filters and channels. */
  readonly product?: ProductTrait;
  /** The attribute that names the symbol of a size which only the evaluation knows: see open_sizes.ts. */
  readonly openSize?: string;
  /** The types of the results, in declared order; refuses operands that do not fit. Dimensions may be symbols. */
  infer(types: OperandTypes<O>, attrs: AttrValues<A>, refuse: Refuse): TensorType | readonly TensorType[];
  /** The meaning: slow, obvious, layout-free. Results in declared order. */
  evaluate(
    tensors: OperandTensors<O>,
    attrs: AttrValues<A>,
    types: readonly StaticType[],
    run: RunBody,
  ): ITensor | readonly ITensor[];
}

type Declared<O extends OperandSpecs, A extends AttrSpecs, R extends ResultSpecs, N extends string> = Omit<
  OpDeclaration<O, A, R, N>,
  'traits'
> & { readonly traits?: readonly Trait[] };

/** Declares an operator. `traits` may be left out; one that files of ONNX have as well names its form there. */
export function defineOp<
  const O extends OperandSpecs,
  const A extends AttrSpecs,
  const R extends ResultSpecs,
  const N extends string,
>(declaration: Declared<O, A, R, N> & { readonly onnx?: undefined }): OpDeclaration<O, A, R, N>;
export function defineOp<
  const O extends OperandSpecs,
  const A extends AttrSpecs,
  const R extends ResultSpecs,
  const N extends string,
>(
  declaration: Declared<O, A, R, N> & { readonly onnx: OnnxForm<keyof A> },
): OpDeclaration<O, A, R, N> & { readonly onnx: OnnxForm };
export function defineOp<O extends OperandSpecs, A extends AttrSpecs, R extends ResultSpecs, N extends string>(
  declaration: Declared<O, A, R, N>,
): OpDeclaration<O, A, R, N> {
  return Object.freeze({ traits: [], ...declaration });
}
