/** Inputs of newer operator sets are not written as attributes, which runtimes would refuse. */
import { expect, it } from 'vitest';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { openOnnx } from '../../../src/formats/onnx/index.ts';
import { parse } from '../../../src/ir/index.ts';

const nodesOf = (text: string) => {
  const { opsets, graph } = openOnnx(exportOnnx(parse(text)));
  return { opset: opsets.get('') ?? 0, nodes: graph.nodes };
};

it('axes of sums, since 13', () => {
  const attrs = 'strides=[1,1], pads=[0,0,0,0], dilations=[1,1], group=1';
  const { opset, nodes } = nodesOf(`graph @main(%x: s8[1,2,3,3], %w: s8[4,2,2,2]) -> (%y) {
  %y = nn.conv(%x, %w) {${attrs}} : s32[1,4,2,2]
}
`);
  expect(opset).toBeGreaterThanOrEqual(13);
  const sums = nodes.filter(({ opType }) => opType === 'ReduceSum');
  expect(sums.map(({ inputs }) => inputs.length)).toEqual([2]);
});

it('pads, since 11', () => {
  const { nodes } = nodesOf(`graph @main(%x: f32[1,2]) -> (%y) {
  %y = nn.pad(%x) {pads=[0,1,0,2], mode="constant"} : f32[1,5]
}
`);
  const pads = nodes.filter(({ opType }) => opType === 'Pad');
  expect(pads.map(({ inputs }) => inputs.length >= 2)).toEqual([true]);
});
