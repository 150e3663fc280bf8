/** Writes ONNX models by onnx-proto alone, so that benchmarks do not depend on the importer and exporter they measure. */
import onnxProto from 'onnx-proto';

const { onnx } = onnxProto;

const DATA_TYPES = { float32: 1, uint8: 2, int8: 3, int32: 6 } as const;
export type ElementType = keyof typeof DATA_TYPES;
export type Attribute = number | readonly number[];

/** A growing ONNX graph: nodes, initializers, one input and one output, all named. */
export class GraphEncoder {
  readonly #nodes: InstanceType<typeof onnx.NodeProto>[] = [];
  readonly #initializers: InstanceType<typeof onnx.TensorProto>[] = [];

  /** Adds a node whose only output and whose own name is `output`; returns `output`. An empty domain is ONNX's. */
  node(
    opType: string,
    inputs: readonly string[],
    output: string,
    attributes: Record<string, Attribute> = {},
    domain = '',
  ): string {
    const attribute = Object.entries(attributes).map(([name, value]) =>
      typeof value === 'number'
        ? { name, type: onnx.AttributeProto.AttributeType.INT, i: value }
        : { name, type: onnx.AttributeProto.AttributeType.INTS, ints: [...value] },
    );
    this.#nodes.push(
      onnx.NodeProto.create({ name: output, opType, domain, input: [...inputs], output: [output], attribute }),
    );
    return output;
  }

  /** Adds an initializer; `dims` of [] is a scalar. Returns `name`. */
  constant(name: string, type: ElementType, values: ArrayBufferView, dims: readonly number[] = []): string {
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.#initializers.push(onnx.TensorProto.create({ name, dataType: DATA_TYPES[type], dims: [...dims], rawData }));
    return name;
  }

  /** The model's bytes, ONNX 1.10 (opset 13) with the contrib operators of ONNX Runtime. Input and output are f32. */
  finish(name: string, input: { name: string; dims: number[] }, output: { name: string; dims: number[] }): Uint8Array {
    const valueInfo = ({ name, dims }: { name: string; dims: number[] }) => ({
      name,
      type: { tensorType: { elemType: DATA_TYPES.float32, shape: { dim: dims.map((dimValue) => ({ dimValue })) } } },
    });
    return onnx.ModelProto.encode({
      irVersion: 8,
      producerName: 'unskew-bench',
      opsetImport: [
        { domain: '', version: 13 },
        { domain: 'com.microsoft', version: 1 },
      ],
      graph: {
        name,
        node: this.#nodes,
        initializer: this.#initializers,
        input: [valueInfo(input)],
        output: [valueInfo(output)],
      },
    }).finish();
  }
}
