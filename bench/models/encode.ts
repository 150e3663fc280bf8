/** Writes ONNX models by onnx-proto alone, so that benchmarks do not depend on the importer and exporter they measure. */
import onnxProto from 'onnx-proto';

const { onnx } = onnxProto;

const DATA_TYPES = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7 } as const;
export type ElementType = keyof typeof DATA_TYPES;
export type Attribute = number | readonly number[];

/** An input or an output of a graph: f32 unless it says otherwise; a size that is text is symbolic. */
export interface Port {
  readonly name: string;
  readonly dims: readonly (number | string)[];
  readonly type?: ElementType;
}

/** A growing ONNX graph: nodes and initializers, all named. */
export class GraphEncoder {
  readonly #nodes: InstanceType<typeof onnx.NodeProto>[] = [];
  /** Domains that are neither of ONNX nor of ONNX Runtime. */
  readonly #foreign = new Set<string>();
  readonly #initializers: InstanceType<typeof onnx.TensorProto>[] = [];

  /** Adds a node whose only output and whose own name is `output`; returns `output`. An empty domain is ONNX's. */
  node(
    opType: string,
    inputs: readonly string[],
    output: string,
    attributes: Record<string, Attribute> = {},
    domain = '',
  ): string {
    this.nodes(opType, inputs, [output], attributes, domain);
    return output;
  }

  /** Adds a node of several outputs, named after the first. */
  nodes(
    opType: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Record<string, Attribute> = {},
    domain = '',
  ): void {
    const attribute = Object.entries(attributes).map(([name, value]) =>
      typeof value === 'number'
        ? { name, type: onnx.AttributeProto.AttributeType.INT, i: value }
        : { name, type: onnx.AttributeProto.AttributeType.INTS, ints: [...value] },
    );
    if (domain !== '' && domain !== 'com.microsoft') this.#foreign.add(domain);
    this.#nodes.push(
      onnx.NodeProto.create({ name: outputs[0]!, opType, domain, input: [...inputs], output: [...outputs], attribute }),
    );
  }

  /** Adds an initializer; `dims` of [] is a scalar. Returns `name`. */
  constant(name: string, type: ElementType, values: ArrayBufferView, dims: readonly number[] = []): string {
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.#initializers.push(onnx.TensorProto.create({ name, dataType: DATA_TYPES[type], dims: [...dims], rawData }));
    return name;
  }

  /** The model's bytes, ONNX 1.10 (opset 13) with the contrib operators of ONNX Runtime. */
  finish(name: string, inputs: Port | readonly Port[], outputs: Port | readonly Port[]): Uint8Array {
    const valueInfo = ({ name, dims, type = 'float32' }: Port) => ({
      name,
      type: {
        tensorType: {
          elemType: DATA_TYPES[type],
          shape: { dim: dims.map((dim) => (typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim })) },
        },
      },
    });
    return onnx.ModelProto.encode({
      irVersion: 8,
      producerName: 'unskew-bench',
      opsetImport: [
        { domain: '', version: 13 },
        { domain: 'com.microsoft', version: 1 },
        ...[...this.#foreign].map((domain) => ({ domain, version: 1 })),
      ],
      graph: {
        name,
        node: this.#nodes,
        initializer: this.#initializers,
        input: [inputs].flat().map(valueInfo),
        output: [outputs].flat().map(valueInfo),
      },
    }).finish();
  }
}
