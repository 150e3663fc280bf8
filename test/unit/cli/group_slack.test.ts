/** The bound of a float bias is half a unit of the sum, whatever stands between a product and what dequantizes its operands. */
import { describe, expect, it } from 'vitest';
import { groupsOf } from '../../../src/cli/group_slack.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { tensor } from '../../../src/ir/index.ts';
import { legalize } from '../../../src/passes/legalize.ts';
import { type ModelNode, writeModel } from '../../support/onnx.ts';

const [sx, sw, sy] = [0.02, 0.004, 0.05];
const dequantize = (x: string, output: string): ModelNode => ({
  op: 'DequantizeLinear',
  inputs: [x, x === 'w' ? 'sw' : 'sx', x === 'w' ? 'zw' : 'zx'],
  outputs: [output],
});

const between: Readonly<Record<string, readonly ModelNode[]>> = {
  nothing: [{ op: 'Identity', inputs: ['x.d'], outputs: ['x.m'] }],
  'a pool': [{ op: 'MaxPool', inputs: ['x.d'], outputs: ['x.m'], attrs: { kernel_shape: [2, 2], pads: [1, 1, 0, 0] } }],
  'a join': [
    { op: 'Split', inputs: ['x.d'], outputs: ['x.a', 'x.b'], attrs: { axis: 2 } },
    { op: 'Concat', inputs: ['x.b', 'x.a'], outputs: ['x.m'], attrs: { axis: 2 } },
  ],
  'a transpose': [{ op: 'Transpose', inputs: ['x.d'], outputs: ['x.m'], attrs: { perm: [0, 1, 3, 2] } }],
};

describe.each(Object.entries(between))('%s between', (_name, nodes) => {
  it('keeps the half unit', () => {
    const graph = importOnnx(
      writeModel({
        opsets: { '': 11 },
        nodes: [
          dequantize('x', 'x.d'),
          ...nodes,
          dequantize('w', 'w.d'),
          { op: 'Conv', inputs: ['x.m', 'w.d', 'b'], outputs: ['v'] },
          { op: 'QuantizeLinear', inputs: ['v', 'sy', 'zx'], outputs: ['y'] },
        ],
        inputs: [{ name: 'x', type: 'uint8', dims: [1, 2, 4, 4] }],
        outputs: [{ name: 'y', type: 'uint8' }],
        initializers: [
          { name: 'w', tensor: tensor('s8', [1, -2, 3, -4], [2, 2, 1, 1]) },
          { name: 'b', tensor: tensor('f32', [0.3, -0.7], [2]) },
          { name: 'sx', tensor: tensor('f32', [sx], []) },
          { name: 'sw', tensor: tensor('f32', [sw], []) },
          { name: 'sy', tensor: tensor('f32', [sy], []) },
          { name: 'zx', tensor: tensor('u8', [77], []) },
          { name: 'zw', tensor: tensor('s8', [0], []) },
        ],
      }),
    );
    const { grouping } = legalize(graph, { target: 'onednn' }).certificate;
    const slack = groupsOf(graph, grouping).get(graph.outputs[0])?.slack;
    expect(slack).toBeGreaterThanOrEqual((Math.fround(sx) * Math.fround(sw)) / 2);
    expect(slack).toBeLessThan(Math.fround(sx) * Math.fround(sw));
  });
});
