/** Typed access to the attributes of a node: absent ones read as the default. */
import { fail, type Location } from '../../diagnostics/index.ts';
import { type OnnxAttribute, type OnnxNode, type OnnxTensor, onnxTypeName } from '../../formats/onnx/index.ts';
import { type AttrSpec, type AttrValue, isWordOf, tensorOfBytes } from '../../ir/index.ts';
import type { ITensor } from '../../tensors/index.ts';
import { Unsupported } from '../kit/unsupported.ts';

type Kind = OnnxAttribute['kind'];
type Values = { readonly [A in OnnxAttribute as A['kind']]: A['value'] };
type OfKind<K extends Kind> = OnnxAttribute & { readonly value: Values[K] };
const isOfKind = <K extends Kind>(attribute: OnnxAttribute, kind: K): attribute is OfKind<K> => attribute.kind === kind;
const isWord = (spec: AttrSpec): spec is AttrSpec<string> => spec.kind === 'string';

export class Attributes {
  readonly #node: OnnxNode;
  readonly #loc: Location;

  constructor(node: OnnxNode, loc: Location) {
    this.#node = node;
    this.#loc = loc;
  }

  has(name: string): boolean {
    return this.#node.attributes.has(name);
  }

  int(name: string, fallback: number): number;
  int(name: string): number | undefined;
  int(name: string, fallback?: number): number | undefined {
    const value = this.#get(name, 'int');
    return value === undefined ? fallback : safeInteger(value);
  }

  /** 0 or 1. Runtimes disagree on other numbers: ONNX Runtime reads keepdims of 2 as false, transA of 2 as true. */
  flag(name: string, fallback = false): boolean {
    const value = this.int(name, fallback ? 1 : 0);
    if (value !== 0 && value !== 1)
      fail('U2004', `attribute '${name}' is ${value}, it should be 0 or 1`, this.#loc, 'give it one of these');
    return value === 1;
  }

  ints(name: string, fallback: readonly number[]): readonly number[];
  ints(name: string): readonly number[] | undefined;
  ints(name: string, fallback?: readonly number[]): readonly number[] | undefined {
    return this.#get(name, 'ints')?.map((value) => safeInteger(value)) ?? fallback;
  }

  /** Defaults are binary32 numbers, like the ones in files. */
  float(name: string, fallback: number): number;
  float(name: string): number | undefined;
  float(name: string, fallback?: number): number | undefined {
    return this.#get(name, 'float') ?? (fallback === undefined ? undefined : Math.fround(fallback));
  }

  floats(name: string): readonly number[] | undefined {
    return this.#get(name, 'floats');
  }

  string(name: string, fallback: string): string {
    return this.#get(name, 'string') ?? fallback;
  }

  /** One of the words of the attribute `spec` of an operator of ours; another word may belong to a later version. */
  word<W extends string>(name: string, spec: AttrSpec<W>, fallback: W): W {
    const word = this.string(name, fallback);
    if (isWordOf(spec, word)) return word;
    throw new Unsupported(
      `attribute '${name}' should be one of ${spec.values?.join(', ')}, but is ${JSON.stringify(word)}`,
    );
  }

  /** An attribute in the kind of one of ours. */
  as(name: string, spec: AttrSpec): AttrValue | undefined {
    if (spec.kind === 'int') return this.int(name);
    if (spec.kind === 'float') return this.float(name, Number(spec.default));
    if (spec.kind === 'bool') return this.flag(name, spec.default === true);
    return isWord(spec) ? this.word(name, spec, spec.default ?? '') : this.ints(name);
  }

  strings(name: string): readonly string[] | undefined {
    return this.#get(name, 'strings');
  }
  tensor(name: string): ITensor | undefined {
    const value = this.#get(name, 'tensor');
    return value && tensorOf(value);
  }

  /** A sparse tensor, as a dense one. */
  sparse(name: string): ITensor | undefined {
    const value = this.#get(name, 'sparseTensor');
    return value && tensorOf(value.dense);
  }

  #get<K extends Kind>(name: string, kind: K): Values[K] | undefined {
    const attribute = this.#node.attributes.get(name);
    if (attribute === undefined) return undefined;
    if (attribute.kind === 'reference') throw new Unsupported(`attribute '${name}' is that of a function`);
    if (isOfKind(attribute, kind)) return attribute.value;
    return fail('U2004', `attribute '${name}' is of kind ${attribute.kind}, it should be ${kind}`, this.#loc);
  }
}

/** Ends of slices are often the largest int64: clamped to the integers of binary64, which no dimension reaches. */
export function safeInteger(value: number | bigint): number {
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number(value)));
}

/** @throws Unsupported for an element type that unskew does not compute with */
export function tensorOf({ dtype, dims, onnxType, raw }: OnnxTensor): ITensor {
  if (dtype === undefined) throw new Unsupported(`the element type ${onnxTypeName(onnxType)} is carried only`);
  return tensorOfBytes(dtype, dims, raw());
}
