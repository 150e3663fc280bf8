/** The context in which one operator is imported: operands by name and in either layout, options, and refusals. */
import { assert } from '../../diagnostics/index.ts';
import {
  type OptionsType,
  readOptions,
  type TfliteModel,
  type TfliteOperator,
  type TfliteTensor,
} from '../../formats/tflite/index.ts';
import { formatType, isComputable, isStatic, type Loc, type Shape, type Value } from '../../ir/index.ts';
import { type DType, type ITensor, transposed } from '../../tensors/index.ts';
import { ImportEmitter } from '../kit/import_emitter.ts';
import type { Scope } from '../kit/scope.ts';
import { dtypeOfTensor, isPacked } from './element_types.ts';
import type { Layout, Placed } from './layouts.ts';
import type { TfliteProfile } from './profiles.ts';

/** A tensor that an operator reads. */
export interface Operand {
  readonly name: string;
  /** The place in the list of tensors. */
  readonly place: number;
  readonly tensor: TfliteTensor;
  readonly placed: Placed;
  readonly dtype: DType;
  /** With channels last. */
  readonly shape: Shape;
}

/** One scale and zero point for all of a tensor. */
export interface PerTensor {
  readonly scale: number;
  readonly zeroPoint: number;
}

interface Parts {
  readonly model: TfliteModel;
  /** Undefined for what no operator asks for: outputs in their layout. */
  readonly operator: TfliteOperator | undefined;
  readonly inputs: readonly string[];
  readonly tensors: readonly TfliteTensor[];
  /** Undefined for an absent operand. */
  readonly operands: readonly (Placed | undefined)[];
  readonly profile: TfliteProfile;
  readonly loc: Loc;
}

export class OperatorContext extends ImportEmitter<Scope> {
  readonly profile: TfliteProfile;
  readonly #parts: Parts;
  /** Values in another layout that this operator asked for, with their names. */
  readonly made: { readonly placed: Placed; readonly value: Value; readonly name: string }[] = [];

  constructor(scope: Scope, parts: Parts) {
    super(scope, parts.loc);
    this.#parts = parts;
    this.profile = parts.profile;
  }

  get #operator(): TfliteOperator {
    return this.#parts.operator ?? this.refuse('no operator is imported');
  }

  options<R>(type: OptionsType<R>): R {
    return readOptions(this.#parts.model, this.#operator, type);
  }

  get customOptions(): Uint8Array | undefined {
    return this.#operator.customOptions;
  }

  // ---- operands

  get(name: string): Operand {
    return this.find(name) ?? this.refuse(`the input '${name}' is absent`);
  }

  find(name: string): Operand | undefined {
    return this.#operand(this.#indexOf(name), name);
  }

  /** Weights, which may be integers of four bits: the reference kernels take them for bytes. */
  weights(name: string): Operand {
    const index = this.#indexOf(name);
    const packed = this.profile === 'tflite' ? 's8' : undefined;
    return this.#operand(index, name, packed) ?? this.refuse(`the input '${name}' is absent`);
  }

  #indexOf(name: string): number {
    const index = this.#parts.inputs.findIndex((input) => input.replace(/[?.]+$/, '') === name);
    assert(index >= 0, `the operator declares no input '${name}'`);
    return index;
  }

  /** The operands of the variadic input, which is the last. */
  rest(): readonly Operand[] {
    const { inputs, operands } = this.#parts;
    const from = inputs.length - 1;
    return operands
      .slice(from)
      .map((_, i) => this.#operand(from + i, `${i}`) ?? this.unsupported('an operand of the list is absent'));
  }

  #operand(index: number, name: string, packed?: DType): Operand | undefined {
    const { operands, tensors } = this.#parts;
    const placed = operands[index];
    if (placed === undefined) return undefined;
    const place = this.#operator.inputs[index];
    const tensor = tensors[place];
    const dtype =
      dtypeOfTensor(tensor.type) ??
      (isPacked(tensor.type) ? packed : undefined) ??
      this.unsupported(`the element type ${tensor.type}`);
    return { name, place, tensor, placed, dtype, shape: placed.shape };
  }

  /** The value of an operand with channels last: as the file has it. */
  last({ placed }: Operand): Value {
    return this.in('last', placed);
  }

  /** The value of an operand with channels first. */
  first({ placed }: Operand): Value {
    return this.in('first', placed);
  }

  in(layout: Layout, placed: Placed): Value {
    const known = placed.known(layout) ?? this.made.find((m) => m.placed === placed)?.value;
    if (known) return isComputable(known) ? known : this.unsupported('it reads a value that is carried');
    const { value, name } = placed.make(layout, this);
    this.made.push({ placed, value, name: this.fresh(name) });
    return value;
  }

  /** The elements of an operand that must be constant. */
  known(operand: Operand): ITensor {
    return (
      this.constantOf(this.last(operand)) ?? this.unsupported(`'${operand.name}' is computed while the model runs`)
    );
  }

  /** Sizes, axes or positions that must be known. */
  integers(operand: Operand): readonly number[] {
    const elements = this.elementsOf(this.last(operand));
    return elements && isStatic(elements)
      ? elements
      : this.unsupported(`'${operand.name}' is computed while the model runs`);
  }

  /** A constant with its axes permuted when it is first read; a computed value is transposed while the model runs. */
  permuted(operand: Operand, perm: readonly number[], shape: Shape): Value {
    const x = this.last(operand);
    const constant = this.constantOf(x);
    if (constant === undefined || !isStatic(shape)) return this.reshape(this.transpose(x, perm), shape);
    return this.lazy({ dtype: constant.dtype, shape }, () => ({ ...transposed(constant, perm), shape }), `${x.id}`);
  }

  // ---- results

  /** The tensor that the i-th result becomes. */
  output(i = 0): TfliteTensor {
    return this.#parts.tensors[this.#operator.outputs[i]] ?? this.refuse(`the operator has no output ${i}`);
  }

  /** A tensor that the kernel itself fills: only its quantization is read. */
  intermediate(i: number): TfliteTensor {
    const { tensors } = this.#parts;
    return tensors[this.#operator.intermediates[i]] ?? this.unsupported(`the intermediate tensor ${i} is absent`);
  }

  get outputCount(): number {
    return this.#operator.outputs.length;
  }

  /** The element type of the i-th result. */
  outputType(i = 0): DType {
    const { type } = this.output(i);
    return dtypeOfTensor(type) ?? this.unsupported(`the element type ${type}`);
  }

  // ---- state

  /** New values of variables, by their places in the list of tensors. */
  readonly newState = new Map<number, Value>();

  /** The value that a variable has after the operator, with channels last. */
  setState({ name, place, tensor, dtype, shape }: Operand, value: Value): void {
    if (!tensor.isVariable) this.refuse(`the input '${name}' should be a variable`);
    const declared = formatType({ dtype, shape });
    if (formatType(value.type) !== declared)
      this.refuse(`the state '${name}' becomes ${formatType(value.type)}, and ${declared} is declared`, 'U2005');
    this.newState.set(place, value);
  }

  // ---- quantization

  /** The scale and zero point of a tensor, which must be one for all of it. */
  perTensor({ name, quantization }: TfliteTensor): PerTensor {
    const q = quantization ?? this.unsupported(`'${name}' has no quantization parameters`);
    if (q.isForeign) this.unsupported(`'${name}' is quantized by blocks`);
    if (q.scale.length !== 1) this.unsupported(`'${name}' has a scale for each channel`);
    if (!(q.scale[0] > 0)) this.refuse(`the scale of '${name}' is ${q.scale[0]}, it should be positive`, 'U2007');
    return { scale: q.scale[0], zeroPoint: q.zeroPoint[0] };
  }
}
