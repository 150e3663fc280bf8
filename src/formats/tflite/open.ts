/** Opens the bytes of a TensorFlow Lite file as a checked view. */
import { fail } from '../../diagnostics/index.ts';
import { FlatBuffer, type Path } from './flatbuffer.ts';
import {
  TfliteModel,
  type TfliteOperator,
  type TfliteQuantization,
  type TfliteSparsity,
  type TfliteSubgraph,
  type TfliteTensor,
} from './model.ts';
import { builtinOperators } from './operators.ts';
import type { OptionsType } from './options.ts';
import {
  indexVectors,
  type ModelRecord,
  modelTable,
  type OperatorRecord,
  type QuantizationRecord,
  type SparsityRecord,
  type SubgraphRecord,
  type TensorRecord,
} from './schema.ts';
import { isTflite } from './signature.ts';

const VERSION = 3;
/** BuiltinOperator PLACEHOLDER_FOR_GREATER_OP_CODES: the number does not fit the older field. */
const PLACEHOLDER = 127;
const CUSTOM = builtinOperators.indexOf('CUSTOM');

/**
 * Checks and indexes a model in time linear in its size; the bytes of constants are not copied, so `bytes` must not
 * change while the view is in use.
 *
 * @throws UnskewError U1002 not such a file, U1003 malformed, U1004 an index outside of its list, U1006 records without an end
 */
export function openTflite(bytes: Uint8Array, file?: string): TfliteModel {
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const source = new FlatBuffer(plain, file);
  if (!isTflite(plain)) fail('U1002', 'this is not a TensorFlow Lite model', source.locationOf(undefined));
  const record = modelTable.at(source, source.target(0, undefined), undefined);
  if (record.version !== VERSION)
    fail('U1004', `the schema has the version ${record.version}; ${VERSION} is read`, source.locationOf(undefined));
  if (record.subgraphs.length === 0) fail('U1004', 'the model has no subgraph', source.locationOf(undefined));
  const reader = new Reader(source, record);
  const subgraphs = record.subgraphs.map((subgraph, i) => reader.subgraph(subgraph, i));
  const signatures = record.signatures.map(({ key, subgraphIndex, inputs, outputs }) => ({
    key,
    subgraph: subgraphIndex,
    inputs: new Map(inputs.map(({ name, tensorIndex }) => [tensorIndex, name])),
    outputs: new Map(outputs.map(({ name, tensorIndex }) => [tensorIndex, name])),
  }));
  const { version, description } = record;
  return new TfliteModel({ source, version, description, subgraphs, signatures });
}

/**
 * The options of an operator; their defaults where the file has none.
 *
 * @throws UnskewError U1004 when the file has options of another operator
 */
export function readOptions<R>(
  { source }: TfliteModel,
  operator: TfliteOperator,
  { number, table }: OptionsType<R>,
): R {
  const { optionsType, optionsAt, path } = operator;
  if (optionsAt === undefined || optionsType === 0 || number === 0) return table.empty;
  if (optionsType !== number)
    fail('U1004', `${operator.name} has the options of another operator, ${optionsType}`, source.locationOf(path));
  return table.at(source, optionsAt, { parent: path, key: 'builtin_options' });
}

class Reader {
  readonly #source: FlatBuffer;
  readonly #model: ModelRecord;

  constructor(source: FlatBuffer, model: ModelRecord) {
    this.#source = source;
    this.#model = model;
  }

  subgraph({ name, tensors, inputs, outputs, operators }: SubgraphRecord, index: number): TfliteSubgraph {
    const path = { parent: { key: 'subgraphs' }, key: index };
    const inside = (list: readonly number[], what: string, here: Path, isOptional = false): readonly number[] => {
      const wrong = list.find((place) => place >= tensors.length || place < (isOptional ? -1 : 0));
      if (wrong !== undefined) this.#invalid(`${what} names the tensor ${wrong}; there are ${tensors.length}`, here);
      return list;
    };
    return {
      name,
      tensors: tensors.map((tensor, i) => this.#tensor(tensor, { parent: { parent: path, key: 'tensors' }, key: i })),
      inputs: inside(inputs, 'the list of inputs', path),
      outputs: inside(outputs, 'the list of outputs', path),
      operators: operators.map((operator, i) => {
        const here = { parent: { parent: path, key: 'operators' }, key: i };
        return {
          ...this.#operator(operator, here),
          inputs: inside(operator.inputs, 'an input', here, true),
          outputs: inside(operator.outputs, 'an output', here),
          intermediates: inside(operator.intermediates, 'an intermediate tensor', here, true),
        };
      }),
    };
  }

  #operator(record: OperatorRecord, path: Path): Omit<TfliteOperator, 'inputs' | 'outputs' | 'intermediates'> {
    const code = this.#model.operatorCodes[record.opcodeIndex];
    if (code === undefined) this.#invalid(`the operator code ${record.opcodeIndex} does not exist`, path);
    const { deprecatedBuiltinCode, builtinCode, customCode, version } = code;
    const number = Math.max(builtinCode, deprecatedBuiltinCode === PLACEHOLDER ? 0 : deprecatedBuiltinCode);
    const isCustom = number === CUSTOM;
    const { customOptions, optionsType, options: optionsAt } = record;
    const name = isCustom ? (customCode ?? 'CUSTOM') : (builtinOperators[number] ?? `operator ${number}`);
    return { name, isCustom, version, customOptions, optionsType, optionsAt, path };
  }

  #tensor(record: TensorRecord, path: Path): TfliteTensor {
    const { name, type, shape, shapeSignature, isVariable, sparsity } = record;
    const wrong = shape.find((size) => size < 0);
    if (wrong !== undefined) this.#invalid(`a size of ${wrong}`, path);
    const isExternal = record.externalBuffer !== 0;
    if (isExternal) fail('U1005', `the data of '${name}' is in another file`, this.#source.locationOf(path));
    return {
      name,
      type,
      shape,
      signature: shapeSignature.length === shape.length ? shapeSignature : [],
      data: this.#data(record.buffer, path),
      quantization: record.quantization && this.#quantization(record.quantization, shape, path),
      isVariable,
      sparsity: sparsity && this.#sparsity(sparsity, { parent: path, key: 'sparsity' }),
    };
  }

  #sparsity({ traversalOrder: order, blockMap: blocks, dimensions }: SparsityRecord, path: Path): TfliteSparsity {
    const list = (type: number, at: number | undefined): readonly number[] => {
      const vector = indexVectors[type];
      return at === undefined || vector === undefined ? [] : vector.at(this.#source, at, path).values;
    };
    const levels = dimensions.map(({ format, denseSize, segmentsType, segments, indicesType, indices }) =>
      format === 'SPARSE_CSR'
        ? { segments: list(segmentsType, segments), indices: list(indicesType, indices) }
        : { size: denseSize },
    );
    return { order, blocks, levels };
  }

  /** Buffer 0 stands for none. */
  #data(index: number, path: Path): Uint8Array | undefined {
    const { buffers } = this.#model;
    if (index === 0) return undefined;
    const buffer = buffers[index] ?? this.#invalid(`the buffer ${index} does not exist, of ${buffers.length}`, path);
    if (buffer.offset <= 1) return buffer.data?.length === 0 ? undefined : buffer.data;
    this.#source.inside(buffer.offset, buffer.size, path);
    return this.#source.view(buffer.offset, buffer.size);
  }

  #quantization(
    { scale, zeroPoint, detailsType, quantizedDimension: axis }: QuantizationRecord,
    shape: readonly number[],
    path: Path,
  ): TfliteQuantization | undefined {
    const isForeign = detailsType !== 0;
    if (scale.length === 0) return isForeign ? { scale, zeroPoint, axis, isForeign } : undefined;
    if (zeroPoint.length !== 0 && zeroPoint.length !== scale.length)
      this.#invalid(`${scale.length} scales and ${zeroPoint.length} zero points`, path, 'U2007');
    if (scale.length > 1 && shape[axis] !== scale.length)
      this.#invalid(`${scale.length} scales along the axis ${axis} of [${shape.join(', ')}]`, path, 'U2007');
    const badScale = scale.find((s) => !(s >= 0 && s < Infinity));
    if (badScale !== undefined) this.#invalid(`a scale of ${badScale}`, path, 'U2007');
    return { scale, zeroPoint: zeroPoint.length === 0 ? scale.map(() => 0) : zeroPoint, axis, isForeign };
  }

  #invalid(why: string, path: Path, code: 'U1004' | 'U2007' = 'U1004'): never {
    fail(code, `the model is not valid: ${why}`, this.#source.locationOf(path));
  }
}
