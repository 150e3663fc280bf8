/** Zero points that a DynamicQuantizeLSTM has to have in a file, whatever is known of the scales beside them. */
import { expect, it } from 'vitest';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { openOnnx } from '../../../src/formats/onnx/index.ts';
import { GraphBuilder } from '../../../src/ir/index.ts';
import { qnnDynamicLstm } from '../../../src/ir/ops/qnn_ops.ts';

it.each([
  { direction: 'forward', scale: ['K', 16], sizes: [1, 16] },
  { direction: 'bidirectional', scale: ['K', 'G'], sizes: [2, 16] },
  { direction: 'bidirectional', scale: ['K'], sizes: [2] },
  { direction: 'reverse', scale: [1, 16], sizes: [1, 16] },
] as const)('$direction, scales $scale', ({ direction, scale, sizes }) => {
  const [size, hidden, directions] = [3, 4, sizes[0]];
  const g = new GraphBuilder();
  const { y } = g.emit(
    qnnDynamicLstm,
    {
      x: g.input('x', 'f32', [5, 2, size]),
      w: g.input('w', 'u8', [directions, size, 4 * hidden]),
      r: g.input('r', 'u8', [directions, hidden, 4 * hidden]),
      sw: g.input('sw', 'f32', [...scale]),
      sr: g.input('sr', 'f32', [...scale]),
    },
    { direction },
  );
  const { graph } = openOnnx(exportOnnx(g.finish([y])));
  const zeros = [...graph.initializers].filter(([name]) => name.includes('zero_point'));
  expect(zeros.length).toBeGreaterThan(0);
  for (const [, { dims }] of zeros) expect(dims).toEqual(sizes);
});
