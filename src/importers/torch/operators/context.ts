/** The context of the importer of one PyTorch operator: the graph, the engine, and refusals. */

import { assert, fail, type Location, UnskewError } from '../../../diagnostics/index.ts';
import { type ScalarType, scalarTypes, type TorchTensor } from '../../../formats/torch/index.ts';
import {
  type AnyOp,
  type AnyValue,
  type GivenAttrs,
  isStatic,
  type Loc,
  type Shape,
  type Value,
  type ValueId,
} from '../../../ir/index.ts';
import { type DType, isFloat, tensor } from '../../../tensors/index.ts';
import { ImportEmitter, type Journal } from '../../kit/import_emitter.ts';
import { GraphTensor, type TensorLike, UnknownTensor } from '../values.ts';
import { ProfileEvidence } from './assumed_profile.ts';
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

/** The receiver of operators: a graph under construction. */
export interface TorchJournal extends Journal {
  /** The input whose elements a value has, in whatever arrangement: its type or its shape may be a guess. */
  inputBehind?(id: ValueId): ValueId | undefined;
}

/** The order of elements in memory: kernels of pools and means round by it. */
export interface MemoryFormat {
  readonly isContiguous: boolean;
  readonly isChannelsLast: boolean;
}

const plainFormat = ({ channelsLast, shape }: GraphTensor): MemoryFormat => {
  const isBoth = shape[1] === 1 || shape.slice(2).every((dim) => dim === 1);
  return { isContiguous: !channelsLast || isBoth, isChannelsLast: channelsLast || isBoth };
};

const MOST_ELEMENTS = 2 ** 22;
const GIVE_SHAPES = 'give the shapes of the inputs: inputShapes in the API, --shape on the command line';

interface TorchSurroundings {
  readonly profile?: TorchProfile;
  readonly evidence?: ProfileEvidence;
  readonly formatOf?: (x: GraphTensor) => MemoryFormat;
  /** The name of the results; those of programs have names. */
  readonly name?: string;
  /** The place of the operator in the model: kept with the nodes. */
  readonly loc: Loc;
  /** The place in the code, for messages. */
  readonly where?: Location;
  /** The constants in the graph so far. */
  readonly constants?: Map<TorchTensor, Value>;
  readonly folds?: boolean;
  /** The targets of all nodes that read a result, where the whole program is known. */
  readonly readersOf?: (output: number) => readonly string[] | undefined;
}

export class TorchContext extends ImportEmitter<TorchJournal> {
  readonly profile: TorchProfile;
  /** Facts about the layers, from which the profile is inferred. */
  readonly evidence: ProfileEvidence;
  readonly formatOf: (x: GraphTensor) => MemoryFormat;
  protected override readonly folds: boolean;
  readonly #name: string | undefined;
  readonly #where: Location;
  readonly #constants: Map<TorchTensor, Value>;
  readonly #readersOf: (output: number) => readonly string[] | undefined;

  constructor(journal: TorchJournal, around: TorchSurroundings) {
    super(journal, around.loc);
    this.profile = around.profile ?? 'torch-x86';
    this.formatOf = around.formatOf ?? plainFormat;
    this.evidence = around.evidence ?? new ProfileEvidence();
    this.#name = around.name;
    this.#where = around.where ?? around.loc;
    this.#constants = around.constants ?? new Map();
    this.folds = around.folds ?? true;
    this.#readersOf = around.readersOf ?? (() => []);
  }

  // ---- tensors

  /** A tensor as a value of the graph. */
  graph<V extends AnyValue = Value>(x: TensorLike | GraphTensor<V>): GraphTensor | GraphTensor<V> {
    if (x instanceof GraphTensor) return x;
    if (x instanceof UnknownTensor) return this.#needsShape(x);
    const { quantization } = x;
    return new GraphTensor(this.#stored(x), x.type, { quantization });
  }

  /** The value of a tensor that is not quantized. */
  plain(x: TensorLike): Value {
    const { value, quantization } = this.graph(x);
    return quantization ? this.unsupported('a quantized operand') : value;
  }

  /** The same as floats: PyTorch computes integers in binary32. */
  real(x: TensorLike): Value {
    return this.asFloat(this.plain(x));
  }

  asFloat(value: Value): Value {
    return isFloat(value.type.dtype) ? value : this.cast(value, 'f32');
  }

  /** A quantized tensor with one scale and zero point. */
  quantized(x: TensorLike): QuantizedTensor {
    const tensor = this.graph(x);
    if (isPerTensor(tensor)) return tensor;
    return this.unsupported(tensor.quantization ? 'a tensor quantized by channels' : 'a tensor that is not quantized');
  }

  /** Positions in another tensor. Floats are not positions, but that an input holds floats was a guess. */
  positions(x: TensorLike): Value {
    const { value, dtype } = this.graph(x);
    if (dtype === 's32') return value;
    if (!isFloat(dtype)) return this.cast(value, 's64');
    const input = this.scope.inputBehind?.(value.id);
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
    if (typeof last === 'string' && this.takesShapes) this.#checkBatch(last, size);
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
    const value = this.lazy({ dtype: x.type.dtype, shape: x.shape }, () => x.tensor(), 'constant');
    this.#constants.set(x, value);
    return value;
  }

  // ---- building

  override emitList(op: AnyOp, operands: readonly (Value | null)[], attrs: GivenAttrs): readonly Value[] {
    try {
      return super.emitList(op, operands, attrs);
    } catch (error) {
      if (!(error instanceof UnskewError)) throw error;
      throw new UnskewError(error.diagnostics.map((d) => ({ ...d, location: this.#where })));
    }
  }

  protected override namesOf({ name, results }: AnyOp): readonly string[] | undefined {
    if (this.#name === undefined) return undefined;
    const base = name.replace(/^\w+\./, '');
    const all = Object.keys(results);
    return all.map((result) => this.fresh(all.length > 1 ? `${base}.${result}` : base));
  }

  protected override fresh(base: string): string {
    return super.fresh(this.#name === undefined ? base : `${this.#name}.${base}`);
  }

  floats(values: readonly number[], name: string): Value {
    return this.constant(tensor('f32', Float32Array.from(values)), name);
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

  override at(input?: string): Location {
    return input === undefined ? this.#where : { ...this.#where, input };
  }

  /** True when the archive does not state the shapes of its inputs: they are given, or guessed. */
  get takesShapes(): boolean {
    return this.scope.inputBehind !== undefined;
  }

  refuseSizes(message: string, input?: string): never {
    return this.refuse(message, 'U2005', { input, hint: this.takesShapes ? GIVE_SHAPES : undefined });
  }

  override staticShape(shape: Shape, why: string): readonly number[] {
    if (isStatic(shape) || !this.takesShapes) return super.staticShape(shape, why);
    return this.refuseSizes(`${why} needs known sizes, not [${shape.join(', ')}]`);
  }

  /** True when only operators of these libraries read a result; never for TorchScript, which does not tell. */
  isReadOnlyBy(output: number, libraries: readonly string[]): boolean {
    const isOurs = (target: string) => libraries.some((library) => target.startsWith(`${library}.`));
    return this.#readersOf(output)?.every(isOurs) ?? false;
  }

  /** PyTorch computes something else each time. */
  inTraining(why: string): never {
    return this.unsupported(`the model was saved in training mode, ${why}: call model.eval() before it is saved`);
  }

  /** A number of elements that a constant of this importer may have: the code could ask for any. */
  bounded(count: number, what: string): number {
    return count >= 0 && count <= MOST_ELEMENTS ? count : this.unsupported(`${what} of ${count} elements`);
  }
}

const plainTypes: Readonly<Partial<Record<DType, ScalarType>>> = {
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
  const type = plainTypes[dtype];
  assert(type, `PyTorch has no ${dtype}`);
  return type;
}
