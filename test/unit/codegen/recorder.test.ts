import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Recorder, transposed } from '../../../src/codegen/onednn/recorder.ts';
import { dtypes, GraphBuilder, numbersOf, sizeOf, stridesOf, tensor, type ValueId } from '../../../src/ir/index.ts';
import { qnnConv } from '../../../src/ir/ops/qnn_conv.op.ts';
import { addonAvailable, loadAddon } from '../../../src/runtime/addon.ts';
import { describeUnless } from '../../support/unless.ts';

const { available } = addonAvailable();

describeUnless(available ? undefined : 'the addon is not built', 'Recorder', () => {
  function recording() {
    const b = new GraphBuilder();
    const x = b.input('x', 'u8', [1, 1, 1, 1]);
    const w = b.constant(tensor('s8', [3], [1, 1, 1, 1]), 'w' as ValueId);
    const y = b.emit(qnnConv, { x, w }, { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] });
    const graph = b.finish([y]);
    const recorder = new Recorder(graph, loadAddon(), 1, [x.id], [y.id]);
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

it('puts the channels of a constant last, for every element type', () => {
  const dtype = fc.constantFrom('u8', 's16', 's32', 's64', 'f64');
  const shape = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 3, maxLength: 5 });
  fc.assert(
    fc.property(dtype, shape, (dtype, shape) => {
      const t = tensor(
        dtype,
        Array.from({ length: sizeOf(shape) }, (_, i) => i),
        shape,
      );
      const [batch, channels, ...spatial] = stridesOf(shape);
      const order = [shape[0], ...shape.slice(2), shape[1]];
      const steps = stridesOf(order);
      const expected = Array.from({ length: sizeOf(shape) }, (_, i) => {
        const index = steps.map((step, axis) => Math.floor(i / step) % order[axis]);
        return [batch, ...spatial, channels].reduce((sum, stride, axis) => sum + stride * index[axis], 0);
      });
      const result = transposed(t);
      expect(numbersOf(result)).toEqual(expected);
      expect(result.data).toBeInstanceOf(dtypes[dtype].array);
    }),
  );
});
