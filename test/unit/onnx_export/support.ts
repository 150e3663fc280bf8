/** Models run by onnxruntime-node, and the cases of the corpus as graphs with feeds. */
import ort from 'onnxruntime-node';
import { UnskewError } from '../../../src/diagnostics/index.ts';
import { openOnnx } from '../../../src/formats/onnx/index.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { originOf } from '../../../src/importers/onnx/origin.ts';
import {
  dtypeOfOnnxName,
  dtypes,
  type Feeds,
  type Graph,
  type ITensor,
  interpret,
  isFloat,
} from '../../../src/ir/index.ts';
import { halfToNumber } from '../../../src/numerics/half.ts';
import { isStoredType } from '../../../src/tensors/dtype.ts';
import { allCases, type Case } from '../../conformance/cases.ts';
import { fixInputs } from '../../support/onnx.ts';

export const optimizations = ['disabled', 'basic', 'extended', 'all'] as const;
export type Optimization = (typeof optimizations)[number];

/** The outputs of a model on ONNX Runtime's CPU provider, one thread. */
export async function runOnnx(
  bytes: Uint8Array,
  feeds: Feeds,
  graphOptimizationLevel: Optimization = 'disabled',
): Promise<Record<string, ITensor>> {
  const session = await ort.InferenceSession.create(bytes, {
    graphOptimizationLevel,
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  try {
    const given = Object.entries(feeds).map(([name, { dtype, data, shape }]) => [
      name,
      new ort.Tensor(dtypes[dtype].onnx as 'float32', data as Float32Array, [...shape]),
    ]);
    const results = await session.run(Object.fromEntries(given));
    return Object.fromEntries(
      Object.entries(results).map(([name, { type, data, dims }]) => [
        name,
        { dtype: dtypeOfOnnxName(type)!, shape: [...dims], data } as ITensor,
      ]),
    );
  } finally {
    await session.release();
  }
}

export interface GraphCase {
  readonly id: string;
  readonly bytes: Uint8Array;
  readonly graph: Graph;
  readonly feeds: Feeds;
  readonly expected: Readonly<Record<string, ITensor>>;
}

/** False where a value crosses whose elements onnxruntime-node cannot hold: the package ends the process over some of them. */
export const isHeld = ({ inputs, outputs, values }: Graph): boolean =>
  [...inputs, ...outputs].every((id) => !isStoredType(values[id].type.dtype));

/** The cases of the corpus that are understood whole; operands that must be known at import are initializers. */
export function* graphCases(isWanted: (c: Case) => boolean): Generator<GraphCase> {
  for (const c of allCases()) {
    if (!isWanted(c)) continue;
    try {
      const found = graphCase(c);
      if (found !== undefined) yield found;
    } catch (error) {
      if (!(error instanceof UnskewError)) throw error;
    }
  }
}

function graphCase(c: Case): GraphCase | undefined {
  let bytes = c.model();
  let graph = importOnnx(bytes, { file: c.file });
  let tensors = c.feeds();
  if (originOf(graph)?.unsupported.some(({ reason }) => reason.endsWith('while the model runs'))) {
    const isParameter = ({ dtype, shape }: ITensor, i: number) =>
      shape.length === 0 || (shape.length === 1 && (i > 0 || dtype === 's64' || dtype === 's32'));
    const fixed = tensors.map((tensor, i) => (tensor && isParameter(tensor, i) ? tensor : undefined));
    bytes = fixInputs(bytes, fixed);
    graph = importOnnx(bytes, { file: c.file });
    tensors = tensors.filter((_, i) => fixed[i] === undefined);
  }
  if (originOf(graph)?.unsupported.length !== 0 || tensors.includes(undefined)) return undefined;
  const feeds = Object.fromEntries(graph.inputs.map((id, i) => [id, tensors[i] as ITensor]));
  return { id: c.id, bytes, graph, feeds, expected: interpret(graph, feeds) };
}

/** The same graph with every node another object: all of it is exported anew. */
export const touched = (graph: Graph): Graph => ({
  ...graph,
  nodes: Object.fromEntries(Object.entries(graph.nodes).map(([id, node]) => [id, { ...node }])),
});

/** Describes the difference in a sentence. Integers are compared exactly, floats up to `relative`. */
export function differenceOf(
  actual: Readonly<Record<string, ITensor>>,
  expected: Readonly<Record<string, ITensor>>,
  relative = 0,
): string | undefined {
  for (const [name, want] of Object.entries(expected)) {
    const got = actual[name];
    if (got?.dtype !== want.dtype || got.shape.join() !== want.shape.join())
      return `${name} is ${got?.dtype}[${got?.shape}] instead of ${want.dtype}[${want.shape}]`;
    const isHalf = want.dtype === 'f16';
    const slack = isFloat(want.dtype) ? Math.max(relative, isHalf ? 1e-3 : 0) : 0;
    const at = ({ data }: ITensor, i: number) => (isHalf ? halfToNumber(Number(data[i])) : Number(data[i]));
    for (let i = 0; i < want.data.length; i++) {
      const [a, b] = [at(got, i), at(want, i)];
      if (!Object.is(a, b) && a !== b && !(Math.abs(a - b) <= slack * Math.max(Math.abs(b), 0.1)))
        return `${name}[${i}] is ${a} instead of ${b}`;
    }
  }
  return undefined;
}

/** Convolutions and matrix products that have a zero point which is not known to be 0. */
export function zeroPointsOf(bytes: Uint8Array): readonly string[] {
  const positions: Readonly<Record<string, readonly number[]>> = {
    ConvInteger: [2, 3],
    MatMulInteger: [2, 3],
    QLinearConv: [2, 5],
    QLinearMatMul: [2, 5],
    QGemm: [2, 5],
  };
  const { nodes, initializers } = openOnnx(bytes).graph;
  const constants = new Map(
    nodes.flatMap(({ opType, outputs, attributes }) => {
      const value = attributes.get('value');
      return opType === 'Constant' && value?.kind === 'tensor' ? [[outputs[0], value.value] as const] : [];
    }),
  );
  const isZero = (name: string): boolean =>
    (initializers.get(name) ?? constants.get(name))?.raw().every((byte) => byte === 0) === true;
  return nodes.flatMap(({ opType, inputs, outputs }) =>
    (positions[opType] ?? [])
      .map((position) => inputs[position] ?? '')
      .filter((name) => name !== '' && !isZero(name))
      .map((name) => `${opType} ${outputs[0]}: ${name}`),
  );
}
