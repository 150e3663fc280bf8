/** Every operator: exported anew and imported again it means the same. ONNX Runtime: test/differential/rewrite_*. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnskewError } from '../../../src/diagnostics/index.ts';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { openOnnx } from '../../../src/formats/onnx/index.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { originOf } from '../../../src/importers/onnx/origin.ts';
import {
  type AnyOp,
  allOps,
  type Feeds,
  type Graph,
  GraphBuilder,
  type ITensor,
  interpret,
  nodesOf,
  oneOf,
  qnnAdd,
  qnnAveragePool,
  qnnGlobalAveragePool,
  qnnMul,
  qnnSoftmax,
  tensor,
  type Value,
} from '../../../src/ir/index.ts';
import { nnCast } from '../../../src/ir/ops/nn_cast.op.ts';
import { nnConvTranspose } from '../../../src/ir/ops/nn_conv.op.ts';
import { nnClip } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnGatherNd } from '../../../src/ir/ops/nn_gather_nd.op.ts';
import { nnInstanceNorm, nnLayerNorm, nnRmsNorm } from '../../../src/ir/ops/nn_norm.op.ts';
import { qnnRequantize } from '../../../src/ir/ops/qnn_requantize.op.ts';
import { arbitraryFeeds, familiesOf, feedsOf } from '../../../src/testing/index.ts';
import { describeCorpus, many } from '../../support/corpus.ts';
import { differenceOf, graphCases, touched } from './support.ts';

/** The meaning of the exported model, by way of the importer; the reason when it is refused. */
function reimported(graph: Graph, feeds: Feeds): Record<string, ITensor> | string {
  let bytes: Uint8Array;
  try {
    bytes = exportOnnx(graph);
  } catch (error) {
    if (error instanceof UnskewError && error.code === 'U2008') return error.diagnostics[0].message;
    throw error;
  }
  const again = importOnnx(bytes);
  expect(originOf(again)?.unsupported).toEqual([]);
  return interpret(again, feeds);
}

describe('random graphs mean the same after export and import', () => {
  /** Refusals of graphs that ONNX cannot express. */
  const refusals = /computed at run time|no integer ConvTranspose|the size .* is not|neither its scales nor its sizes/;
  /** Quantized operators of com.microsoft between DequantizeLinear and QuantizeLinear: one apart at ties. */
  const steps = oneOf(qnnAdd, qnnMul, qnnAveragePool, qnnGlobalAveragePool, qnnSoftmax);
  const isStepped = (graph: Graph) => nodesOf(graph).some(steps);

  for (const op of allOps) {
    if (steps({ op: op.name })) continue;
    for (const [name, graphs] of familiesOf(op) ?? []) {
      it(`${op.name}: ${name}`, () => {
        let accepted = 0;
        fc.assert(
          fc.property(graphs, arbitraryFeeds, (graph, seed) => {
            if (isStepped(graph)) return;
            const feeds = feedsOf(graph, seed);
            const result = reimported(graph, feeds);
            if (typeof result === 'string') expect(result).toMatch(refusals);
            else {
              accepted++;
              expect(differenceOf(result, interpret(graph, feeds), 1e-6)).toBeUndefined();
            }
          }),
          { numRuns: process.env.UNSKEW_DEEP ? 1000 : 60 },
        );
        expect(accepted).toBeGreaterThan(20);
      });
    }
  }
});

describe('operands that ONNX takes of one type or leaves out', () => {
  const x = tensor('f32', [-3, 0.5, Number.NaN, 2, 7, -0], [2, 3]);
  const infinite = [-Infinity, 0.75, Infinity];
  const bounds = infinite.flatMap((min) => infinite.map((max) => ({ min, max })));

  it.each(bounds)('a clip between $min and $max', (attrs) => {
    for (const dtype of ['f32', 'f64'] as const) {
      const b = new GraphBuilder();
      const source = b.emit(nnCast, { x: b.input('x', 'f32', [2, 3]) }, { to: dtype }) as Value<'f32'>;
      const graph = b.finish([b.emit(nnClip, { x: source }, attrs)]);
      expect(reimported(graph, { x })).toEqual(interpret(graph, { x }));
    }
  });

  it.each([Number.NaN, Infinity])('a requantize by %s to a part of the range or all of it', (multiplier) => {
    const graphOf = (range: { low?: number }) => {
      const b = new GraphBuilder();
      const operands = { x: b.input('x', 's32', [3]), multiplier: b.scalar('f32', multiplier), zy: b.scalar('u8', 3) };
      return b.finish([b.emit(qnnRequantize, operands, range)]);
    };
    const feeds = { x: tensor('s32', [-5, 0, 7], [3]) };
    expect(reimported(graphOf({ low: 64 }), feeds)).toEqual(interpret(graphOf({ low: 64 }), feeds));
    expect(reimported(graphOf({}), feeds)).toEqual(interpret(graphOf({}), feeds));
  });

  it.each(['s32', 's64'] as const)('indices of %s of a GatherND, which has them of 64 bits', (dtype) => {
    const b = new GraphBuilder();
    const operands = { x: b.input('x', 'f32', [2, 3]), indices: b.input('indices', dtype, [2, 1]) };
    const graph = b.finish([b.emit(nnGatherNd, operands)]);
    const feeds = { x, indices: tensor(dtype, dtype === 's64' ? [1n, 0n] : [1, 0], [2, 1]) };
    expect(reimported(graph, feeds)).toEqual(interpret(graph, feeds));
    const { nodes } = openOnnx(exportOnnx(graph)).graph;
    expect(nodes.map(({ opType }) => opType)).toEqual(dtype === 's64' ? ['GatherND'] : ['Cast', 'GatherND']);
  });

  const norms: Readonly<Record<string, AnyOp>> = { nnLayerNorm, nnRmsNorm, nnInstanceNorm };
  it.each(Object.entries(norms))('%s with parameters of another type', (_name, op) => {
    const [first, last] = op === nnInstanceNorm ? [2, 3] : [3, 3];
    const feeds = {
      x: tensor(
        'f64',
        Float64Array.from({ length: 12 }, (_, i) => (i * i) % 7),
        [2, 2, 3],
      ),
    };
    const parameter = (b: GraphBuilder, dtype: 'f32' | 'f64') =>
      b.constant(tensor(dtype, [0.5, 2, 3].slice(0, first === 2 ? 2 : last), [first === 2 ? 2 : last]));
    const graphOf = (data: 'f32' | 'f64', parameters: 'f32' | 'f64') => {
      const b = new GraphBuilder();
      const operands = Object.keys(op.operands).map((name) =>
        name === 'x' ? b.input('x', data, [2, 2, 3]) : parameter(b, parameters),
      );
      return b.finish(b.emitList(op, operands, {}));
    };
    const graph = graphOf('f64', 'f32');
    const result = reimported(graph, feeds);
    expect(typeof result === 'string' ? result : differenceOf(result, interpret(graph, feeds), 1e-6)).toBeUndefined();
    expect(reimported(graphOf('f32', 'f64'), { x: tensor('f32', feeds.x.data, [2, 2, 3]) })).toMatch(
      /its parameters are f64, and ONNX takes them of the type of the input alone, f32/,
    );
  });
});

it('a bias that is added behind the sum is written once', () => {
  const b = new GraphBuilder();
  const operands = {
    x: b.input('x', 'f32', [1, 2, 3]),
    w: b.input('w', 'f32', [2, 2, 1]),
    bias: b.constant(tensor('f32', [1, 2])),
  };
  const attrs = { strides: [1], pads: [0, 0], dilations: [3], group: 1, outputPadding: [1] };
  const { nodes, initializers } = openOnnx(exportOnnx(b.finish([b.emit(nnConvTranspose, operands, attrs)]))).graph;
  expect(nodes.map(({ opType }) => opType)).toContain('Add');
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  expect([...initializers.keys()].filter((name) => !read.has(name))).toEqual([]);
});

describeCorpus('the corpus, every node exported anew', () => {
  /** Old operator sets without the operator that took its place, or with another meaning of broadcasting. */
  const refusals = /of operator set (7|8|11), the model imports [1-9]$/;
  const isWanted = ({ id }: { id: string }) => process.env.UNSKEW_DEEP !== undefined || !id.startsWith('nets/mbv2');

  it('means the same', () => {
    const wrong: string[] = [];
    let [count, refused] = [0, 0];
    for (const { id, graph, feeds, expected } of graphCases(isWanted)) {
      const result = reimported(touched(graph), feeds);
      if (typeof result === 'string') {
        refused++;
        expect(result).toMatch(refusals);
        continue;
      }
      count++;
      const difference = differenceOf(result, expected, 1e-6);
      if (difference !== undefined) wrong.push(`${id}: ${difference}`);
    }
    expect(wrong).toEqual([]);
    expect(count).toBeGreaterThanOrEqual(many(1600));
    expect(refused).toBeLessThan(25);
  }, 300_000);
});
