/** The typed view of an ONNX file, as `openOnnx` returns it. All of it is checked; weights are not copied. */
import type { Diagnostic } from '../../diagnostics/index.ts';
import type { DType } from '../../tensors/index.ts';
import type { ExternalReader } from './external_data.ts';
import type { Range } from './wire.ts';

export interface OnnxFile {
  readonly bytes: Uint8Array;
  readonly file?: string | undefined;
  /** The reader for weights in files of their own. */
  readonly readExternal?: ExternalReader | undefined;
  readonly irVersion: number;
  readonly producerName: string;
  readonly producerVersion: string;
  readonly domain: string;
  readonly modelVersion: number | bigint;
  /**
   * Versions by domain, including domains that are used without an import; the default domain is '' (also when the file
   * says `ai.onnx`).
   */
  readonly opsets: ReadonlyMap<string, number>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly graph: OnnxGraph;
  /** Model-local functions: named and carried; their contents are not read. */
  readonly functions: readonly OnnxFunction[];
  /** The first few unknown field numbers; such fields are carried. */
  readonly unknownFields: readonly number[];
  /** Departures from the standard that were read nevertheless. */
  readonly warnings: readonly Diagnostic[];
}

export interface OnnxFunction {
  readonly name: string;
  readonly domain: string;
  readonly overload: string;
  readonly range: Range;
}

export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: ReadonlyMap<string, OnnxTensor>;
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  readonly valueInfos: readonly OnnxValueInfo[];
  /** Sparse initializers; their dense tensors are among `initializers`, behind the ones of the file. */
  readonly sparseInitializers: readonly OnnxSparseTensor[];
  readonly range: Range;
  /** As in `OnnxFile`. */
  readonly unknownFields: readonly number[];
}

export interface OnnxNode {
  /** May be empty: names of nodes are optional and not unique in ONNX. */
  readonly name: string;
  readonly opType: string;
  /** '' for the default domain. */
  readonly domain: string;
  readonly overload: string;
  /** '' where an optional input or output is absent. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
  readonly range: Range;
  /** True when the node or one of its attributes has fields that are not known here. */
  readonly unknownFields: boolean;
}

/** `value` of the list kinds and of `string` is decoded when read (U1006 when it is absurdly long). */
export type OnnxAttribute =
  | { readonly kind: 'int'; readonly value: number | bigint; readonly range: Range }
  | { readonly kind: 'float'; readonly value: number; readonly range: Range }
  /** `value` is the UTF-8 reading of `bytes`, with U+FFFD where they are not UTF-8. */
  | { readonly kind: 'string'; readonly value: string; readonly bytes: Uint8Array; readonly range: Range }
  | { readonly kind: 'tensor'; readonly value: OnnxTensor; readonly range: Range }
  | { readonly kind: 'graph'; readonly value: OnnxGraph; readonly range: Range }
  | { readonly kind: 'sparseTensor'; readonly value: OnnxSparseTensor; readonly range: Range }
  | { readonly kind: 'type'; readonly value: OnnxType; readonly range: Range }
  | { readonly kind: 'ints'; readonly value: readonly (number | bigint)[]; readonly range: Range }
  | { readonly kind: 'floats'; readonly value: readonly number[]; readonly range: Range }
  | {
      readonly kind: 'strings';
      readonly value: readonly string[];
      readonly bytes: readonly Uint8Array[];
      readonly range: Range;
    }
  | { readonly kind: 'tensors'; readonly value: readonly OnnxTensor[]; readonly range: Range }
  | { readonly kind: 'graphs'; readonly value: readonly OnnxGraph[]; readonly range: Range }
  | { readonly kind: 'sparseTensors'; readonly value: readonly OnnxSparseTensor[]; readonly range: Range }
  | { readonly kind: 'types'; readonly value: readonly OnnxType[]; readonly range: Range }
  /** Stands for an attribute of the enclosing function. */
  | { readonly kind: 'reference'; readonly value: string; readonly range: Range };

export interface OnnxTensor {
  readonly name: string;
  /** TensorProto.DataType. */
  readonly onnxType: number;
  /** Undefined for types that unskew does not compute with (strings, complex, float8, 4-bit, …). */
  readonly dtype: DType | undefined;
  readonly dims: readonly number[];
  /** The bytes of the elements; undefined for strings and for types not known here. */
  readonly byteLength: number | undefined;
  /**
   * The elements, row major, little endian, 4-bit types packed two to a byte. A view of the file where it has
   * `raw_data` (mind the alignment), else decoded at the first call. Do not write to it.
   * @throws UnskewError U1004 when a typed element does not fit the type, U1005 when external data cannot be read,
   *   U2006 for string tensors
   */
  raw(): Uint8Array;
  readonly external?: { readonly location: string; readonly offset: number; readonly length: number };
  readonly range: Range;
}

export interface OnnxSparseTensor {
  /** The name of its values tensor. */
  readonly name: string;
  readonly range: Range;
  /** The same elements as a whole tensor. */
  readonly dense: OnnxTensor;
}

export interface OnnxValueInfo {
  readonly name: string;
  /** Undefined when the file gives none. */
  readonly type: OnnxType | undefined;
  readonly range: Range;
  readonly unknownFields: boolean;
}

export type OnnxType =
  | {
      readonly kind: 'tensor';
      readonly onnxType: number;
      readonly dtype: DType | undefined;
      /** Undefined when the rank is unknown. */
      readonly dims: readonly OnnxDim[] | undefined;
    }
  | { readonly kind: 'sparseTensor' | 'sequence' | 'map' | 'optional' | 'opaque' };

/** A size, a symbol, or unknown. As in ONNX Runtime, a negative size reads as unknown and so does an empty symbol. */
export type OnnxDim = number | string | undefined;
