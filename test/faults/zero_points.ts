/**
 * Zero points that an ONNX file leaves on its convolutions and matmuls, counted by onnx-proto and so apart from unskew:
 * in the graph, in bodies of If, Loop and Scan, and in functions.
 */
import onnxProto from 'onnx-proto';
import { readTensorProto } from '../support/onnx.ts';

const { onnx } = onnxProto;
type NodeProto = InstanceType<typeof onnx.NodeProto>;
type TensorProto = InstanceType<typeof onnx.TensorProto>;

/** The inputs of a quantized operator that are zero points of its operands. */
const zeroPointInputs: Readonly<Record<string, readonly number[]>> = {
  QLinearConv: [2, 5],
  ConvInteger: [2, 3],
  QLinearMatMul: [2, 5],
  MatMulInteger: [2, 3],
  QGemm: [2, 5],
  MatMulIntegerToFloat: [4, 5],
  DynamicQuantizeMatMul: [3],
  ConvTransposeInteger: [2, 3],
};
/** Float operators whose operands may be dequantized. */
const products: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'FusedMatMul', 'FusedGemm']);
/** Operators that keep quantized values, in another order or type. */
const movements: ReadonlySet<string> = new Set(
  'Identity Cast Transpose Reshape Squeeze Unsqueeze Flatten Expand Slice Dropout'.split(' '),
);

export interface ZeroPointLeft {
  readonly node: string;
  readonly operator: string;
  readonly input: number;
}

export function zeroPointsLeft(bytes: Uint8Array): ZeroPointLeft[] {
  const model = onnx.ModelProto.decode(bytes);
  const found: ZeroPointLeft[] = [];
  if (model.graph) walk(model.graph.node as NodeProto[], model.graph.initializer as TensorProto[], new Scope(), found);
  for (const f of model.functions ?? []) walk(f.node as NodeProto[], [], new Scope(), found);
  return found;
}

/** The producers and constants that are seen from a graph, its own and outer ones. */
class Scope {
  readonly #outer: Scope | undefined;
  readonly producers = new Map<string, NodeProto>();
  readonly constants = new Map<string, TensorProto>();
  constructor(outer?: Scope) {
    this.#outer = outer;
  }
  producer(name: string): NodeProto | undefined {
    return this.producers.get(name) ?? this.#outer?.producer(name);
  }
  constant(name: string): TensorProto | undefined {
    return this.constants.get(name) ?? this.#outer?.constant(name);
  }
}

function walk(nodes: readonly NodeProto[], initializers: readonly TensorProto[], scope: Scope, found: ZeroPointLeft[]) {
  for (const tensor of initializers) scope.constants.set(tensor.name, tensor);
  for (const node of nodes) {
    for (const name of node.output) scope.producers.set(name, node);
    const value = node.opType === 'Constant' ? node.attribute.find(({ name }) => name === 'value')?.t : undefined;
    if (value) scope.constants.set(node.output[0], value as TensorProto);
  }
  for (const node of nodes) {
    const left = (input: number, zeroPoint: string | undefined): void => {
      if (zeroPoint && !isZero(zeroPoint, scope))
        found.push({ node: node.name || node.output[0], operator: node.opType, input });
    };
    for (const input of zeroPointInputs[node.opType] ?? []) left(input, node.input[input]);
    if (products.has(node.opType))
      for (const input of [0, 1]) left(input, dequantizedFrom(node.input[input], scope)?.input[2]);
    for (const { g, graphs } of node.attribute)
      for (const body of [...(g ? [g] : []), ...(graphs ?? [])])
        walk(body.node as NodeProto[], body.initializer as TensorProto[], new Scope(scope), found);
  }
}

function dequantizedFrom(name: string, scope: Scope): NodeProto | undefined {
  for (let node = scope.producer(name); node; node = scope.producer(node.input[0])) {
    if (node.opType === 'DequantizeLinear') return node;
    if (!movements.has(node.opType)) return undefined;
  }
  return undefined;
}

/** Computed zero points count as not zero. */
function isZero(name: string, scope: Scope): boolean {
  const proto = scope.constant(name) ?? constantBehind(name, scope);
  if (proto === undefined) return false;
  const bytes = onnx.TensorProto.encode(proto).finish();
  const { tensor } = readTensorProto(bytes);
  if (tensor) return Array.from(tensor.data as ArrayLike<number | bigint>, Number).every((value) => value === 0);
  return [...proto.rawData].every((byte) => byte === 0) && proto.int32Data.every((value) => Number(value) === 0);
}

function constantBehind(name: string, scope: Scope): TensorProto | undefined {
  const node = scope.producer(name);
  return node && movements.has(node.opType)
    ? (scope.constant(node.input[0]) ?? constantBehind(node.input[0], scope))
    : undefined;
}
