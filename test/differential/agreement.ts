/** Graphs on the addon against the interpreter, to the last bit and without a node that falls back to it. */
import { expect } from 'vitest';
import type { KernelIsa } from '../../src/codegen/onednn/binding.ts';
import { type Graph, GraphBuilder, interpret, type Value } from '../../src/ir/index.ts';
import { nnMaxPool } from '../../src/ir/ops/nn_pool.op.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Model } from '../../src/runtime/model.ts';
import type { DType, ITensor } from '../../src/tensors/index.ts';
import { toPublic } from '../../src/tensors/tensor.ts';
import { type Contents, compareTensors, filled } from '../../src/testing/index.ts';
import { binding } from '../native/support.ts';

export interface Setting {
  readonly isa: KernelIsa;
  readonly threads: number;
}

/** The outputs of the addon for `feeds` are the interpreter's. */
export function expectAgreementOn(
  graph: Graph,
  feeds: Readonly<Record<string, ITensor>>,
  { isa, threads }: Setting,
): void {
  binding.setKernelIsa(isa);
  try {
    const model = new Model(compileGraph(graph, { threads }), { threads });
    try {
      expect(model.fallbacks).toEqual([]);
      const results = model.runSync(Object.fromEntries(Object.entries(feeds).map(([id, t]) => [id, toPublic(t)])));
      for (const [id, expected] of Object.entries(interpret(graph, feeds))) {
        const found = { dtype: expected.dtype, shape: [...results[id].dims], data: results[id].data } as ITensor;
        expect(compareTensors(expected, found), id).toBeUndefined();
      }
    } finally {
      model.dispose();
    }
  } finally {
    binding.setKernelIsa(undefined);
  }
}

export function expectAgreement(graph: Graph, contents: Contents, setting: Setting): void {
  const feeds = Object.fromEntries(
    graph.inputs.map((id, i) => {
      const { dtype, shape } = graph.values[id].type;
      return [id, filled(dtype as DType, shape as number[], { ...contents, seed: contents.seed + i })];
    }),
  );
  expectAgreementOn(graph, feeds, setting);
}

/** The graph of one operator on an input; `channelsLast`: behind a pool over single elements, which leaves channels last. */
export function graphOn<D extends DType>(
  dtype: D,
  shape: readonly number[],
  channelsLast: boolean,
  body: (b: GraphBuilder, x: Value<D>) => Value,
): Graph {
  const b = new GraphBuilder();
  const x = b.input('x', dtype, [...shape]);
  const rank = Math.max(0, shape.length - 2);
  const ones = Array(rank).fill(1);
  const pool = { kernel: ones, strides: ones, dilations: ones, pads: [...ones, ...ones].map(() => 0) };
  const isPooled = channelsLast && rank >= 1 && rank <= 3 && (dtype === 'f32' || dtype === 'u8' || dtype === 's8');
  const behind = isPooled ? b.emit(nnMaxPool, { x: x as Value<'f32'> }, pool) : x;
  return b.finish([body(b, behind as Value<D>)]);
}
