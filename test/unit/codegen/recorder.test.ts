import fc from 'fast-check';
import { expect, it } from 'vitest';
import { copiesFirst } from '../../../src/codegen/onednn/early_copies.ts';
import { channelsLast } from '../../../src/codegen/onednn/kept_constants.ts';
import { lower } from '../../../src/codegen/onednn/lower/index.ts';
import { Recorder } from '../../../src/codegen/onednn/recorder.ts';
import {
  dtypes,
  GraphBuilder,
  interpret,
  nnTranspose,
  numbersOf,
  sizeOf,
  stridesOf,
  tensor,
  toPublic,
  type ValueId,
} from '../../../src/ir/index.ts';
import { qnnConv } from '../../../src/ir/ops/qnn_conv.op.ts';
import { addonAvailable, loadAddon } from '../../../src/runtime/addon.ts';
import { compile } from '../../../src/runtime/compile.ts';
import { describeUnless } from '../../support/unless.ts';

const { available } = addonAvailable();

describeUnless(available ? undefined : 'the addon is not built', 'Recorder', () => {
  function recording() {
    const b = new GraphBuilder();
    const x = b.input('x', 'u8', [1, 1, 1, 1]);
    const w = b.constant(tensor('s8', [3], [1, 1, 1, 1]), 'w' as ValueId);
    const y = b.emit(qnnConv, { x, w }, { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] });
    const graph = b.finish([y]);
    const recorder = new Recorder(graph, loadAddon(), { threads: 1 }, [x.id], [y.id]);
    recorder.begin(graph.nodes[y.id]);
    return { recorder, x: x.id, w: w.id, y: y.id };
  }

  it('narrows element types, and names operator and value where they are others', () => {
    const { recorder, x, y } = recording();
    expect(recorder.dtypeOf(x, 'u8', 's8')).toBe('u8');
    expect(() => recorder.dtypeOf(y, 'u8', 's8')).toThrow(`qnn.conv: %${y} is s32 and should be u8 or s8`);
  });

  it('gives constants of an element type, and names operands that are not constants', () => {
    const { recorder, x, w } = recording();
    expect(recorder.constantOf(w, 's8').data).toEqual(Int8Array.of(3));
    expect(recorder.scalar(w)).toBe(3);
    expect(() => recorder.constantOf(w, 'u8', 's32')).toThrow('qnn.conv: %w is s8 and should be u8 or s32');
    expect(() => recorder.constantOf(x, 'u8')).toThrow('qnn.conv: %x is computed and should be u8');
    expect(() => recorder.scalar(x)).toThrow('qnn.conv: %x is computed and should be constant');
  });
});

describeUnless(available ? undefined : 'the addon is not built', 'transpositions', () => {
  const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 3, maxLength: 5 });
  /** Two transpositions in turn, the second of which is an output. */
  function commandsOf(shape: readonly number[], first: readonly number[], second: readonly number[]) {
    const b = new GraphBuilder();
    const x = b.input('x', 'u8', shape);
    const y = b.emit(nnTranspose, { x: b.emit(nnTranspose, { x }, { perm: first }) }, { perm: second });
    return { graph: b.finish([y]), x: x.id, y: y.id };
  }

  it('between channels last and channels first move no bytes, and others the right ones', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.boolean(), async (shape, isLast) => {
        const axes = shape.map((_, axis) => axis);
        const spatial = axes.slice(1, -1);
        const toFirst = [0, shape.length - 1, ...spatial];
        const toLast = [0, ...spatial.map((axis) => axis + 1), 1];
        const perms = isLast ? [toFirst, toLast] : [axes.toReversed(), toFirst];
        const { graph, x, y } = commandsOf(shape, perms[0], perms[1]);
        const recorder = new Recorder(graph, loadAddon(), { threads: 1 }, [x], [y]);
        for (const node of Object.values(graph.nodes)) lower(node, recorder);
        const kinds = recorder.finish().spec.commands.map((c) => (c.kind === 'kernel' ? c.kernel.name : c.kind));
        // the output is a buffer of its own, which is filled by one copy
        if (isLast) expect(kinds).toEqual(['copy']);
        const data = Uint8Array.from({ length: sizeOf(shape) }, (_, i) => i);
        const feeds = { [x]: tensor('u8', data, shape) };
        const model = await compile(graph, { threads: 1 });
        expect(Object.values(await model.run({ x: toPublic(feeds[x]) }))[0].data).toEqual(
          interpret(graph, feeds)[y].data,
        );
      }),
      { numRuns: 40 },
    );
  });
});

it('puts the channels of a constant last, for every element type', () => {
  const dtype = fc.constantFrom('u8', 's16', 's32', 's64', 'f64');
  const shape = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 3, maxLength: 5 });
  fc.assert(
    fc.property(dtype, shape, (dtype, shape) => {
      const t = tensor(
        dtype,
        Array.from({ length: sizeOf(shape) }, (_, i) => i & 255),
        shape,
      );
      const [batch, channels, ...spatial] = stridesOf(shape);
      const order = [shape[0], ...shape.slice(2), shape[1]];
      const steps = stridesOf(order);
      const expected = Array.from({ length: sizeOf(shape) }, (_, i) => {
        const index = steps.map((step, axis) => Math.floor(i / step) % order[axis]);
        return [batch, ...spatial, channels].reduce((sum, stride, axis) => sum + stride * index[axis], 0) & 255;
      });
      const result = channelsLast(t);
      expect(numbersOf(result)).toEqual(expected);
      expect(result.data).toBeInstanceOf(dtypes[dtype].storage);
    }),
  );
});

it('puts copies from inputs to outputs first that nothing before them has written to', () => {
  const [input, arena, output, other] = [
    { fixed: { space: 'input', index: 0 } },
    { fixed: undefined },
    { fixed: { space: 'output', index: 0 } },
    { fixed: { space: 'output', index: 1 } },
  ] as const;
  const commands = [
    { kernel: 'lut', buffers: { source: input, destination: arena } },
    { kernel: 'copy', buffers: { source: arena, destination: output } },
    { kernel: 'copy', buffers: { source: input, destination: output } },
    { kernel: 'copy', buffers: { source: input, destination: arena } },
    { kernel: 'copy', buffers: { source: input, destination: other } },
    { buffers: { source: input, destination: other } },
  ] as const;
  expect(copiesFirst(commands)).toEqual([4, 0, 1, 2, 3, 5]);
});
