/** The laws of a plan: each node runs once, after what it reads; each buffer is written before it is read. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BufferRef } from '../../../src/codegen/onednn/binding.ts';
import { buildPlan, type NativeStep, type Plan } from '../../../src/codegen/onednn/plan.ts';
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

const binding = loadAddon();
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

/** Negations run on the interpreter, views move nothing, sums and products read what is made long before. */
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

const holds = (law: (graph: Graph, plan: Plan) => void) =>
  fc.assert(
    fc.property(graphs, (graph) => law(graph, buildPlan(graph, binding, 1))),
    { numRuns: 120 },
  );

const nodesOf = (step: Plan['steps'][number]) => (step.kind === 'native' ? step.nodes : [step.node]);
const readsOf = (step: Plan['steps'][number]) =>
  step.kind === 'native' ? step.inputs : step.node.operands.filter((id) => id !== null);
const makesOf = (step: Plan['steps'][number]) => (step.kind === 'native' ? step.outputs : step.node.results);
const nativeOf = ({ steps }: Plan) => steps.filter((step): step is NativeStep => step.kind === 'native');

/** True for the arguments that a command writes; it reads the others, except scratchpads. */
const writes = (name: string): boolean => name === 'destination';
const sameRef = (a: BufferRef, b: BufferRef): boolean =>
  (a.space === 'arena' && b.space === 'arena' && a.offset === b.offset) ||
  (a.space === 'output' && b.space === 'output' && a.index === b.index);

describe('buildPlan', () => {
  it('runs each node once, after all that it reads', () => {
    holds((graph, plan) => {
      const known = new Set<ValueId>(graph.inputs);
      for (const step of plan.steps)
        for (const node of nodesOf(step)) {
          for (const id of node.operands)
            if (id !== null) expect(known.has(id) || constantOf(graph, id) !== undefined).toBe(true);
          for (const id of node.results) known.add(id);
        }
      const ran = plan.steps.flatMap((step) => nodesOf(step).map(({ id }) => id));
      expect([...ran].sort()).toEqual(
        topologicalOrder(graph)
          .order.map(({ id }) => id)
          .sort(),
      );
    });
  });

  it('brings from step to step what is read later, and no more', () => {
    holds((graph, plan) => {
      const known = new Set<ValueId>(graph.inputs);
      const isThere = (id: ValueId) => known.has(id) || constantOf(graph, id) !== undefined;
      for (const [i, step] of plan.steps.entries()) {
        for (const id of readsOf(step)) expect(isThere(id)).toBe(true);
        for (const id of makesOf(step)) known.add(id);
        if (step.kind === 'reference') continue;
        const later = new Set([...graph.outputs, ...plan.steps.slice(i + 1).flatMap(readsOf)]);
        for (const id of step.outputs) expect(later.has(id)).toBe(true);
        expect(new Set(step.inputs).size).toBe(step.inputs.length);
        expect(new Set(step.outputs).size).toBe(step.outputs.length);
      }
      for (const id of graph.outputs) expect(isThere(id)).toBe(true);
    });
  });

  it('interprets what has no lowering, with the reason, and has no two native steps in a row', () => {
    holds((_graph, { steps }) => {
      for (const [i, step] of steps.entries()) {
        if (step.kind === 'native') {
          expect(step.nodes.every(({ op }) => op !== 'nn.neg')).toBe(true);
          expect(steps[i + 1]?.kind).not.toBe('native');
          expect(step.labels).toHaveLength(step.spec.commands.length);
          expect(step.labels.every((label) => step.nodes.some(({ id }) => id === label))).toBe(true);
        } else {
          expect(step.node.op).toBe('nn.neg');
          expect(step.reason).not.toBe('');
        }
      }
    });
  });

  it('writes every place before it is read, and every output', () => {
    holds((graph, plan) => {
      for (const { spec, inputs, outputs } of nativeOf(plan)) {
        const bytesOf = (id: ValueId) => sizeOf(graph.values[id].type.shape as number[]) * 4;
        expect(spec.inputBytes).toEqual(inputs.map(bytesOf));
        expect(spec.outputBytes).toEqual(outputs.map(bytesOf));
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

  it('computes what the graph means, also where memory is used again: by a second run and by a first one', () => {
    const feeds = (seed: number) => {
      const values = (by: number) => Float32Array.from({ length: ELEMENTS }, (_, i) => ((i * by + seed) % 17) - 8);
      return { x: tensor('f32', values(5), SHAPE), y: tensor('f32', values(7), SHAPE) };
    };
    holds((graph) => {
      const executable = new Executable(graph, binding, 1);
      for (const seed of [0, 5, 0]) expect(executable.runSync(feeds(seed))).toEqual(interpret(graph, feeds(seed)));
      executable.dispose();
    });
  });
});
