/** The laws of a plan: each node runs once, after its operands are computed; each buffer is written before it is read. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BufferRef } from '../../../src/codegen/onednn/binding.ts';
import { onednn } from '../../../src/codegen/onednn/index.ts';
import { type Part, partition } from '../../../src/codegen/partition.ts';
import { reference } from '../../../src/codegen/reference/index.ts';
import {
  constantOf,
  type Graph,
  GraphBuilder,
  interpret,
  sizeOf,
  tensor,
  topologicalOrder,
  type Value,
  type ValueId,
} from '../../../src/ir/index.ts';
import { nnAdd, nnMul } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnNeg, nnRelu } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnReshape, nnTranspose } from '../../../src/ir/ops/nn_movement.op.ts';
import { loadAddon } from '../../../src/runtime/addon.ts';
import { Executable } from '../../../src/runtime/executable.ts';

const addon = onednn({ isa: 'vnni', threads: 1 }, loadAddon);
const native: typeof addon = {
  ...addon,
  accepts: (node, graph) => (node.op === 'nn.neg' ? 'left to the interpreter' : addon.accepts(node, graph)),
};
const interpreter = reference(native);
const asked = [native, interpreter];
const SHAPE = [2, 3, 4, 4];
const ELEMENTS = sizeOf(SHAPE);

/** One node more: which operator, and which of the values there are it reads. */
interface Drawn {
  readonly op: 'relu' | 'neg' | 'add' | 'mul' | 'reshape' | 'transpose' | 'constant';
  readonly a: number;
  readonly b: number;
  readonly isOutput: boolean;
}
const drawn: fc.Arbitrary<Drawn> = fc.record({
  op: fc.constantFrom('relu', 'neg', 'add', 'mul', 'reshape', 'transpose', 'constant'),
  a: fc.nat(),
  b: fc.nat(),
  isOutput: fc.boolean(),
});

/** Negations run on the interpreter, views move nothing, sums and products read values made long before. */
function graphOf(nodes: readonly Drawn[]): Graph {
  const b = new GraphBuilder();
  const values: Value<'f32'>[] = [b.input('x', 'f32', SHAPE), b.input('y', 'f32', SHAPE)];
  const outputs: Value<'f32'>[] = [];
  for (const [i, { op, a, b: other, isOutput }] of nodes.entries()) {
    const x = values[a % values.length];
    const z = values[other % values.length];
    const made = {
      relu: () => b.emit(nnRelu, { x }),
      neg: () => b.emit(nnNeg, { x }),
      add: () => b.emit(nnAdd, { a: x, b: z }),
      mul: () => b.emit(nnMul, { a: x, b: z }),
      reshape: () => b.emit(nnReshape, { x: b.emit(nnReshape, { x }, { shape: [6, 16] }) }, { shape: SHAPE }),
      transpose: () => b.emit(nnTranspose, { x }, { perm: [0, 1, 3, 2] }),
      constant: () => b.constant(tensor('f32', new Float32Array(ELEMENTS).fill(i), SHAPE)),
    }[op]() as Value<'f32'>;
    values.push(made);
    if (isOutput) outputs.push(made);
  }
  return b.finish(outputs.length > 0 ? outputs : [values[values.length - 1]]);
}
const graphs = fc.array(drawn, { minLength: 1, maxLength: 25 }).map(graphOf);

const holds = (law: (graph: Graph, parts: readonly Part[]) => void) =>
  fc.assert(
    fc.property(graphs, (graph) => law(graph, partition(graph, asked))),
    { numRuns: 120 },
  );

const nativeOf = (parts: readonly Part[]) => parts.filter(({ backend }) => backend === native);

/** True for the arguments that a command writes; it reads the others, except scratchpads. */
const writes = (name: string): boolean => /^destination\d*$/.test(name);
const sameRef = (a: BufferRef, b: BufferRef): boolean =>
  (a.space === 'arena' && b.space === 'arena' && a.offset === b.offset) ||
  (a.space === 'output' && b.space === 'output' && a.index === b.index);

describe('a plan', () => {
  it('runs each node once, after all that it reads', () => {
    holds((graph, parts) => {
      const known = new Set<ValueId>(graph.inputs);
      for (const { nodes } of parts)
        for (const node of nodes) {
          for (const id of node.operands)
            if (id !== null) expect(known.has(id) || constantOf(graph, id) !== undefined).toBe(true);
          for (const id of node.results) known.add(id);
        }
      const ran = parts.flatMap(({ nodes }) => nodes.map(({ id }) => id));
      expect([...ran].sort()).toEqual(
        topologicalOrder(graph)
          .order.map(({ id }) => id)
          .sort(),
      );
    });
  });

  it('brings from step to step the values that are read later, and no more', () => {
    holds((graph, parts) => {
      const known = new Set<ValueId>(graph.inputs);
      const isThere = (id: ValueId) => known.has(id) || constantOf(graph, id) !== undefined;
      for (const [i, { inputs, outputs }] of parts.entries()) {
        for (const id of inputs) expect(isThere(id)).toBe(true);
        for (const id of outputs) known.add(id);
        const later = new Set([...graph.outputs, ...parts.slice(i + 1).flatMap((part) => part.inputs)]);
        for (const id of outputs) expect(later.has(id)).toBe(true);
        expect(new Set(inputs).size).toBe(inputs.length);
        expect(new Set(outputs).size).toBe(outputs.length);
      }
      for (const id of graph.outputs) expect(isThere(id)).toBe(true);
    });
  });

  it('interprets nodes without a lowering, with the reason, and never has two parts of one back end in a row', () => {
    holds((_graph, parts) => {
      for (const [i, part] of parts.entries()) {
        const { nodes, backend, refusals } = part;
        expect(parts[i + 1]?.backend).not.toBe(backend);
        expect(nodes.every(({ op }) => (op === 'nn.neg') === (backend === interpreter))).toBe(true);
        expect([...refusals.keys()]).toEqual(backend === interpreter ? nodes : []);
        for (const reason of refusals.values()) expect(reason).not.toBe('');
        if (backend === interpreter) continue;
        const { labels, spec } = native.plan(part);
        expect(labels).toHaveLength(spec.commands.length);
        expect(labels.every((label) => nodes.some(({ id }) => id === label))).toBe(true);
      }
    });
  });

  it('writes every place before it is read, and every output', () => {
    holds((graph, parts) => {
      for (const part of nativeOf(parts)) {
        const { inputs, outputs } = part;
        const { spec, bytes, bytesOfRun } = native.plan(part);
        const bytesOf = (id: ValueId) => sizeOf(graph.values[id].type.shape as number[]) * 4;
        expect(spec.inputBytes).toEqual(inputs.map(bytesOf));
        expect(spec.outputBytes).toEqual(outputs.map(bytesOf));
        expect(bytesOfRun).toBe([...inputs, ...outputs].map(bytesOf).reduce((a, b) => a + b, 0));
        expect(bytes).toBe(spec.arenaBytes + bytesOfRun);
        const written: BufferRef[] = [];
        for (const { arguments: given } of spec.commands) {
          for (const [name, ref] of Object.entries(given)) {
            if (ref.space === 'arena') {
              expect(ref.offset % 64).toBe(0);
              expect(ref.offset).toBeLessThan(spec.arenaBytes);
            }
            if (writes(name) || name === 'scratchpad') expect(['arena', 'output']).toContain(ref.space);
            else if (ref.space === 'arena' || ref.space === 'output')
              expect(written.some((other) => sameRef(other, ref))).toBe(true);
          }
          for (const [name, ref] of Object.entries(given)) if (writes(name)) written.push(ref);
        }
        for (const index of outputs.keys())
          expect(written.some((ref) => sameRef(ref, { space: 'output', index }))).toBe(true);
      }
    });
  });

  it('computes the meaning of the graph, also where memory is used again: by a second run and by a first one', () => {
    const feeds = (seed: number) => {
      const values = (by: number) => Float32Array.from({ length: ELEMENTS }, (_, i) => ((i * by + seed) % 17) - 8);
      return { x: tensor('f32', values(5), SHAPE), y: tensor('f32', values(7), SHAPE) };
    };
    holds((graph) => {
      const executable = Executable.of(graph, asked);
      for (const seed of [0, 5, 0]) expect(executable.runSync(feeds(seed))).toEqual(interpret(graph, feeds(seed)));
      executable.dispose();
    });
  });
});
