/** A back end of a test between the two: parts go to the first that takes them, and together they compute the meaning. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Backend, Session } from '../../../src/codegen/backend.ts';
import { partition } from '../../../src/codegen/partition.ts';
import { reference } from '../../../src/codegen/reference/index.ts';
import {
  evaluateNode,
  type Graph,
  GraphBuilder,
  type ITensor,
  interpret,
  tensor,
  type Value,
  type ValueId,
} from '../../../src/ir/index.ts';
import { nnAdd } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnAbs, nnNeg } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnReshape } from '../../../src/ir/ops/nn_movement.op.ts';
import { portableBackend } from '../../../src/runtime/backends.ts';
import { Executable } from '../../../src/runtime/executable.ts';

/** Takes operators of these names, and answers later or at once. */
const taking = (name: string, ops: readonly string[], isLater: boolean): Backend => ({
  ...portableBackend,
  name,
  accepts: ({ op }) => (ops.includes(op) ? undefined : `${name} takes no ${op}`),
  plan(region) {
    const compute = (inputs: readonly ITensor[]): readonly ITensor[] => {
      const values = new Map<ValueId, ITensor>(region.inputs.map((id, i) => [id, inputs[i]]));
      const read = (id: ValueId | null) => (id === null ? null : values.get(id)!);
      for (const node of region.nodes)
        for (const [i, made] of evaluateNode(node, node.operands.map(read)).entries())
          values.set(node.results[i], made);
      return region.outputs.map((id) => ({ ...values.get(id)!, data: values.get(id)!.data.slice() }) as ITensor);
    };
    const session: Session = {
      run: (inputs) => {
        const results = compute(inputs);
        return isLater ? new Promise((resolve) => setImmediate(() => resolve(results))) : results;
      },
      runSync: compute,
      profile: (inputs) => ({
        outputs: compute(inputs),
        times: region.nodes.map(({ id, op }) => ({ node: id, op, microseconds: 1 })),
      }),
      dispose() {},
    };
    return { bytes: 0, bytesOfRun: 0, open: () => session };
  },
});

const node = fc.record({
  op: fc.constantFrom('abs', 'neg', 'add', 'reshape'),
  a: fc.nat(100),
  b: fc.nat(100),
});
const graphs = fc.array(node, { minLength: 1, maxLength: 25 }).map((nodes): Graph => {
  const b = new GraphBuilder();
  const values: Value<'f32'>[] = [b.input('x', 'f32', [4])];
  for (const { op, a, b: other } of nodes) {
    const [x, y] = [values[a % values.length], values[other % values.length]];
    const made = {
      abs: () => b.emit(nnAbs, { x }),
      neg: () => b.emit(nnNeg, { x }),
      add: () => b.emit(nnAdd, { a: x, b: y }),
      reshape: () => b.emit(nnReshape, { x }, { shape: [4] }),
    }[op]() as Value<'f32'>;
    values.push(made);
  }
  return b.finish(values.slice(-2));
});

describe.each([false, true])('three back ends, the second of which answers later: %s', (isLater) => {
  const first = taking('first', ['nn.abs', 'nn.reshape'], !isLater);
  const second = taking('second', ['nn.abs', 'nn.add'], isLater);
  const rest = reference(portableBackend);
  const asked = [first, second, rest];
  const homes: Record<string, Backend> = { 'nn.abs': first, 'nn.reshape': first, 'nn.add': second, 'nn.neg': rest };

  it('each take the nodes that the ones before have left, with the first reason', () => {
    fc.assert(
      fc.property(graphs, (graph) => {
        const parts = partition(graph, asked);
        const known = new Set<string>(graph.inputs);
        for (const { nodes, inputs, outputs, backend, refusals } of parts) {
          for (const id of inputs) expect(known.has(id)).toBe(true);
          for (const node of nodes) {
            expect(backend).toBe(homes[node.op]);
            expect(refusals.get(node)).toBe(backend === first ? undefined : `first takes no ${node.op}`);
          }
          for (const id of outputs) known.add(id);
        }
        expect(parts.flatMap(({ nodes }) => nodes)).toHaveLength(Object.keys(graph.nodes).length);
        parts.slice(1).forEach(({ backend }, i) => void expect(backend).not.toBe(parts[i].backend));
      }),
    );
  });

  it('compute the meaning together, of feeds as they were at the call', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, async (graph) => {
        const executable = Executable.of(graph, asked);
        const x = tensor('f32', Float32Array.of(-1, 2, -3, 4), [4]);
        const expected = interpret(graph, { x });
        expect(executable.runSync({ x })).toEqual(expected);
        expect(executable.profile({ x }).times.map(({ node }) => node)).toHaveLength(Object.keys(graph.nodes).length);
        const running = executable.run({ x });
        x.data.fill(9);
        expect(await running).toEqual(expected);
        executable.dispose();
      }),
    );
  });
});

it('a node that nobody takes is refused', () => {
  const b = new GraphBuilder();
  const graph = b.finish([b.emit(nnNeg, { x: b.input('x', 'f32', [4]) })]);
  expect(() => partition(graph, [taking('one', [], false)])).toThrow(
    'no back end computes nn.neg: one takes no nn.neg',
  );
});
