/**
 * Values of the code of a PyTorch model during the import: numbers and lists are computed, tensors are graph values.
 */

import { type ScalarType, type TensorQuantization, TorchTensor, type Unread } from '../../formats/torch/index.ts';
import { type AnyValue, type Dim, isComputable, type Value } from '../../ir/index.ts';
import type { DType } from '../../tensors/index.ts';

/** An integer that follows from the sizes of the inputs. */
export class SymInt {
  readonly dim: string;

  constructor(dim: string) {
    this.dim = dim;
  }
}

/** A tensor that the graph computes, or carries. */
export class GraphTensor<V extends AnyValue = Value> {
  readonly value: V;
  readonly type: ScalarType;
  readonly quantization: TensorQuantization | undefined;
  /** True when PyTorch would hold it channels-last: some of its kernels round by that. */
  readonly channelsLast: boolean;
  /** The unsupported operator that would compute it. */
  readonly operator: string | undefined;

  constructor(
    value: V,
    type: ScalarType,
    {
      quantization,
      channelsLast = false,
      operator,
    }: { quantization?: TensorQuantization | undefined; channelsLast?: boolean; operator?: string } = {},
  ) {
    this.operator = operator;
    this.value = value;
    this.type = type;
    this.quantization = quantization;
    this.channelsLast = channelsLast;
  }

  get shape(): readonly Dim[] {
    return this.value.type.shape;
  }

  get dtype(): DType {
    return this.type.dtype;
  }
}

/** An input of unknown shape, or a value with the same shape: only its first reader can tell. */
export class UnknownTensor {
  readonly input: string;

  constructor(input: string) {
    this.input = input;
  }
}

/** A truth that only a run knows, or the number of axes of an unknown tensor: fit for checks alone. */
export class Undetermined {
  readonly what: string;
  readonly kind: 'condition' | 'number';

  constructor(what: string, kind: 'condition' | 'number' = 'condition') {
    this.what = what;
    this.kind = kind;
  }
}

/** Weights as an engine packs them: quantized tensor, float bias, and for convolutions their geometry. */
export class PackedWeights {
  readonly weight: TorchTensor;
  readonly bias: TorchTensor | undefined;
  readonly conv: PackedConv | undefined;

  constructor(weight: TorchTensor, bias: TorchTensor | undefined, conv?: PackedConv) {
    this.weight = weight;
    this.bias = bias;
    this.conv = conv;
  }
}

export interface PackedConv {
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly outputPadding: readonly number[];
  readonly groups: number;
  readonly transposed: boolean;
}

/** Lists and tuples are arrays, dicts are Maps; other objects belong to the interpreter of the code. */
export type TorchValue =
  | null
  | boolean
  | number
  | string
  | SymInt
  | GraphTensor<AnyValue>
  | UnknownTensor
  | Undetermined
  | TorchTensor
  | PackedWeights
  | TorchValue[]
  | Map<TorchValue, TorchValue>
  | CodeObject
  | Unread;

/** Modules, methods, functions: see torchscript/. */
export interface CodeObject {
  readonly codeKind: string;
}

export const isCodeObject = (value: TorchValue): value is CodeObject =>
  typeof value === 'object' && value !== null && 'codeKind' in value;

export type TensorLike = GraphTensor | TorchTensor | UnknownTensor;
/** A tensor that may be the result of an unknown operator. */
export type AnyTensor = TensorLike | GraphTensor<AnyValue>;
export const isTensor = (value: TorchValue): value is AnyTensor =>
  value instanceof GraphTensor || value instanceof TorchTensor || value instanceof UnknownTensor;

/** True when a tensor is computed with, rather than carried. */
export const isUnderstood = (value: TorchValue): value is TensorLike =>
  isTensor(value) && (!(value instanceof GraphTensor) || isComputable(value.value));

export const dimOf = (value: number | SymInt): Dim => (value instanceof SymInt ? value.dim : value);
export const integerOf = (dim: Dim): number | SymInt => (typeof dim === 'string' ? new SymInt(dim) : dim);

/** The one number that a stored tensor holds, undefined when it holds more. */
export function numberOf(value: TorchValue): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return Number(value);
  return value instanceof TorchTensor && value.count === 1 && !value.type.isQuantized ? value.numbers()[0] : undefined;
}

/** The name of a value in messages. */
export function describe(value: TorchValue): string {
  if (value === null) return 'None';
  if (typeof value === 'string') return 'a string';
  if (value instanceof SymInt) return `the size ${value.dim}`;
  if (value instanceof GraphTensor && value.operator !== undefined)
    return `the result of ${value.operator}, an operator that is not supported,`;
  if (value instanceof GraphTensor || value instanceof TorchTensor)
    return `a tensor of ${value.type.name}[${value.shape.join(', ')}]`;
  if (value instanceof UnknownTensor) return `the tensor '${value.input}' of unknown shape`;
  if (value instanceof Undetermined) return value.what;
  if (value instanceof PackedWeights) return value.conv ? 'packed convolution weights' : 'packed linear weights';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Map) return 'a dict';
  return isCodeObject(value) ? `a ${value.codeKind}` : String(value);
}

/**
 * The leaves of nested lists and dicts, each counted as often as it is reached: lists that share their elements may have more of
 * them than could ever be visited. Infinity for one that contains itself.
 */
export function leafCount(value: TorchValue, known = new Map<TorchValue, number>()): number {
  if (!Array.isArray(value) && !(value instanceof Map)) return 1;
  const counted = known.get(value);
  if (counted !== undefined) return counted;
  known.set(value, Infinity); // while it is open
  let count = 1;
  for (const item of value.values()) count += leafCount(item, known);
  known.set(value, count);
  return count;
}
