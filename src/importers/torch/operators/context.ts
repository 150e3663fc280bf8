/** What the importer of one PyTorch operator sees: the graph, the engine, and ways to say no. */

import { assert, type Code, fail, type Location, UnskewError } from '../../../diagnostics/index.ts';
import type { EmitOptions, Emitter, GivenAttrs } from '../../../ir/builder.ts';
import type { AnyValue, Value } from '../../../ir/define_op.ts';
import { type DType, dtypes, isFloat } from '../../../ir/dtype.ts';
import { nnCast, nnReshape } from '../../../ir/index.ts';
import type { AnyOp } from '../../../ir/op_table.ts';
import { type ITensor, scalar, tensor } from '../../../ir/tensor.ts';
import { isStatic, type Loc, type Shape, type TensorType, type ValueId } from '../../../ir/types.ts';
import type { Journal } from '../../kit/import_emitter.ts';
import { TypedEmitter } from '../../kit/typed_emitter.ts';
import { type ScalarType, scalarTypes, type TorchTensor } from '../pickle/index.ts';
import { GraphTensor, type TensorLike, UnknownTensor } from '../values.ts';
import { ProfileEvidence } from './assumed_profile.ts';
import { Unsupported } from './define_torch_op.ts';
import type { TorchProfile } from './engine.ts';

/** An input's shape that its first reader tells: the model is imported anew with it. */
export class ShapeFound extends Error {
  override readonly name = 'ShapeFound';
  readonly input: string;
  readonly shape: Shape;

  constructor(input: string, shape: Shape) {
    super(`the input ${input} is [${shape}]`);
    this.input = input;
    this.shape = shape;
  }
}

/** An input that something takes for positions: it holds integers. The model is imported anew with it. */
export class PositionsFound extends Error {
  override readonly name = 'PositionsFound';
  readonly input: ValueId;

  constructor(input: ValueId) {
    super(`the input ${input} holds positions`);
    this.input = input;
  }
}

export interface PerTensor {
  readonly scale: number;
  readonly zeroPoint: number;
}

type QuantizedTensor = GraphTensor & { readonly quantization: PerTensor & { readonly kind: 'per-tensor' } };
const isPerTensor = (x: GraphTensor): x is QuantizedTensor => x.quantization?.kind === 'per-tensor';

/** Symbols of the axes of an image batch. */
const spatialSymbols: Readonly<Record<number, readonly string[]>> = { 1: ['L'], 2: ['H', 'W'], 3: ['D', 'H', 'W'] };

/** What emits: constants are made at once, or when somebody looks at them. */
export interface TorchEmitter extends Pick<Emitter, 'loc'> {
  fresh(base: string): string;
  constant<D extends DType>(value: ITensor<D>, name: string): Value<D>;
  lazy<D extends DType>(type: TensorType<D>, load: () => ITensor<D>, name: string): Value<D>;
  emitList(op: AnyOp, operands: readonly (Value | null)[], attrs: GivenAttrs, options?: EmitOptions): readonly Value[];
}

/** Where operators go: a graph under construction. */
export interface TorchSink {
  readonly emitter: TorchEmitter;
  /** The elements of a constant, undefined for what a node computes. */
  constant(id: ValueId): ITensor | undefined;
  /** The input whose elements a value has, in whatever arrangement. */
  inputBehind?(id: ValueId): ValueId | undefined;
}

/** How elements lie in memory: kernels of pools and means round by that. */
export interface MemoryFormat {
  readonly isContiguous: boolean;
  readonly isChannelsLast: boolean;
}

const plainFormat = ({ channelsLast, shape }: GraphTensor): MemoryFormat => {
  const isBoth = shape[1] === 1 || shape.slice(2).every((dim) => dim === 1);
  return { isContiguous: !channelsLast || isBoth, isChannelsLast: channelsLast || isBoth };
};

export const isJournal = (sink: TorchSink): sink is TorchSink & Journal => 'undo' in sink;

const MOST_ELEMENTS = 2 ** 22;

export class TorchContext extends TypedEmitter {
  readonly sink: TorchSink;
  readonly profile: TorchProfile;
  /** What the layers look like, from which the profile is told. */
  readonly evidence: ProfileEvidence;
  readonly formatOf: (x: GraphTensor) => MemoryFormat;
  /** What the results are called. */
  readonly name: string;
  readonly #loc: Loc;
  readonly #where: Location;
  readonly #constants: Map<TorchTensor, Value>;

  constructor(
    sink: TorchSink,
    options: {
      readonly profile: TorchProfile;
      readonly evidence?: ProfileEvidence;
      readonly formatOf?: (x: GraphTensor) => MemoryFormat;
      readonly name: string;
      /** Where in the model the operator stands: kept with the nodes. */
      readonly loc: Loc;
      /** Where in the code, for messages. */
      readonly where: Location;
      /** Constants that are in the graph already. */
      readonly constants: Map<TorchTensor, Value>;
    },
  ) {
    super();
    this.sink = sink;
    this.profile = options.profile;
    this.formatOf = options.formatOf ?? plainFormat;
    this.evidence = options.evidence ?? new ProfileEvidence();
    this.name = options.name;
    this.#loc = options.loc;
    this.#where = options.where;
    this.#constants = options.constants;
  }

  /** Where the operator stands, in the model and in its code. */
  get place(): Loc {
    return { ...this.#loc, ...this.#where };
  }

  // ---- tensors

  /** A tensor as a value of the graph. */
  graph<V extends AnyValue = Value>(x: TensorLike | GraphTensor<V>): GraphTensor | GraphTensor<V> {
    if (x instanceof GraphTensor) return x;
    if (x instanceof UnknownTensor) return this.#needsShape(x);
    const { quantization } = x;
    return new GraphTensor(this.#stored(x), x.type, { quantization });
  }

  /** A quantized tensor with one scale and zero point. */
  quantized(x: TensorLike): QuantizedTensor {
    const tensor = this.graph(x);
    if (isPerTensor(tensor)) return tensor;
    return this.unsupported(tensor.quantization ? 'a tensor quantized by channels' : 'a tensor that is not quantized');
  }

  /** Positions in another tensor, as int64. Floats are none, but that an input holds floats was a guess. */
  positions(x: TensorLike): Value {
    const { value, dtype } = this.graph(x);
    if (!isFloat(dtype)) return this.cast(value, 's64');
    const input = this.sink.inputBehind?.(value.id);
    if (input !== undefined) throw new PositionsFound(input);
    return value;
  }

  /** Images [N, C, spatial…]: the input of an unknown shape is that. */
  image(x: TensorLike, channels: number, rank: number): GraphTensor {
    if (x instanceof UnknownTensor) throw new ShapeFound(x.input, ['N', channels, ...(spatialSymbols[rank] ?? [])]);
    return this.graph(x);
  }

  /** Rows […, K]. A batch that a reshape made a factor of K has to be 1. */
  rows(x: TensorLike, size: number): GraphTensor {
    if (x instanceof UnknownTensor) throw new ShapeFound(x.input, ['N', size]);
    const tensor = this.graph(x);
    const last = tensor.shape.at(-1);
    if (typeof last === 'number' && last !== size)
      this.refuse(`the input has rows of ${last} elements, the weights of ${size}`, 'U2005');
    if (typeof last === 'string') this.#checkBatch(last, size);
    return tensor;
  }

  /** `N*1280` has to be 1280: the batch is 1. Other sizes are checked when they are known. */
  #checkBatch(dim: string, size: number): void {
    const match = /^N\*(\d+)$|^(\d+)\*N$/.exec(dim);
    if (match && Number(match[1] ?? match[2]) === size) throw new ShapeFound('', [1]);
  }

  #needsShape({ input }: UnknownTensor): never {
    return fail(
      'U2005',
      `the shape of the input '${input}' has to be known here`,
      this.#where,
      `give it, such as inputShapes: { ${input}: [1, 3, 224, 224] } in the API, --shape ${input}=1,3,224,224 on the command line`,
    );
  }

  #stored(x: TorchTensor): Value {
    const known = this.#constants.get(x);
    if (known) return known;
    const value = this.sink.emitter.lazy(
      { dtype: x.type.dtype, shape: x.shape },
      () => x.tensor(),
      this.sink.emitter.fresh(`${this.name}.constant`),
    );
    this.#constants.set(x, value);
    return value;
  }

  // ---- building

  emitList(op: AnyOp, operands: readonly (Value | null)[], attrs: GivenAttrs): readonly Value[] {
    const { emitter } = this.sink;
    const names = Object.keys(op.results).map((result) =>
      emitter.fresh(
        `${this.name}.${op.name.replace(/^\w+\./, '')}${Object.keys(op.results).length > 1 ? `.${result}` : ''}`,
      ),
    );
    emitter.loc = this.#loc;
    try {
      return emitter.emitList(op, operands, attrs, { names });
    } catch (error) {
      if (!(error instanceof UnskewError)) throw error;
      if (error.code === 'U2006') this.unsupported(error.diagnostics[0].message);
      throw new UnskewError(error.diagnostics.map((d) => ({ ...d, location: this.#where })));
    }
  }

  constant<D extends DType>(value: ITensor<D>, name: string): Value<D> {
    return this.sink.emitter.constant(value, this.sink.emitter.fresh(`${this.name}.${name}`));
  }

  /** A constant that is made when somebody looks at it. */
  lazy(type: TensorType<DType>, load: () => ITensor, name: string): Value {
    return this.sink.emitter.lazy(type, load, this.sink.emitter.fresh(`${this.name}.${name}`));
  }

  /** A number as a constant of an element type that has it: PyTorch converts none that it would change. */
  scalar(dtype: DType, value: number, name: string): Value {
    const { min, max } = dtypes[dtype];
    if (!isFloat(dtype) && !(Number.isInteger(value) && value >= min && value <= max))
      this.unsupported(`the number ${value} as ${dtype}`);
    return this.constant(scalar(dtype, value), name);
  }

  floats(values: readonly number[], name: string): Value {
    return this.constant(tensor('f32', Float32Array.from(values)), name);
  }

  reshape(x: Value, shape: Shape): Value {
    const same = shape.length === x.type.shape.length && shape.every((dim, i) => dim === x.type.shape[i]);
    return same ? x : this.emit(nnReshape, { x }, { shape });
  }

  cast(x: Value, to: DType): Value {
    return x.type.dtype === to ? x : this.emit(nnCast, { x }, { to });
  }

  /** A float or integer result, its type told by its value. */
  result(value: Value, like?: GraphTensor): GraphTensor {
    return new GraphTensor(value, typeOf(value.type.dtype), { channelsLast: like?.channelsLast ?? false });
  }

  /** The same tensor, its elements elsewhere. */
  moved(value: Value, like: GraphTensor, channelsLast = like.channelsLast): GraphTensor {
    return new GraphTensor(value, like.type, { quantization: like.quantization, channelsLast });
  }

  /** Another result of 8 bits. */
  requantized(value: Value, type: ScalarType, { scale, zeroPoint }: PerTensor, channelsLast: boolean): GraphTensor {
    return new GraphTensor(value, type, { quantization: { kind: 'per-tensor', scale, zeroPoint }, channelsLast });
  }

  // ---- checks

  axis(axis: number, rank: number): number {
    if (axis < -rank || axis >= Math.max(rank, 1))
      this.refuse(`the axis ${axis} is outside of a tensor of rank ${rank}`, 'U2005');
    return axis < 0 ? axis + rank : axis;
  }

  staticShape(shape: Shape, why: string): readonly number[] {
    return isStatic(shape)
      ? shape
      : this.refuse(
          `${why} needs known sizes, not [${shape.join(', ')}]`,
          'U2005',
          'give the shapes of the inputs: inputShapes in the API, --shape on the command line',
        );
  }

  /** A number of elements that a constant of this importer may have: the code could ask for any. */
  bounded(count: number, what: string): number {
    return count >= 0 && count <= MOST_ELEMENTS ? count : this.unsupported(`${what} of ${count} elements`);
  }

  unsupported(reason: string): never {
    throw new Unsupported(reason);
  }

  refuse(message: string, code: Code = 'U2004', hint?: string): never {
    return fail(code, message, this.#where, hint);
  }
}

const plain: Readonly<Partial<Record<DType, ScalarType>>> = {
  u8: scalarTypes.uint8,
  s8: scalarTypes.int8,
  s16: scalarTypes.int16,
  s32: scalarTypes.int32,
  s64: scalarTypes.int64,
  f16: scalarTypes.float16,
  f32: scalarTypes.float32,
  f64: scalarTypes.float64,
  bool: scalarTypes.bool,
  bf16: scalarTypes.bfloat16,
};

export function typeOf(dtype: DType): ScalarType {
  const type = plain[dtype];
  assert(type, `PyTorch has no ${dtype}`);
  return type;
}
