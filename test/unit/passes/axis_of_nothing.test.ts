/** The axis of parameters that are one for all says nothing: it may be beyond the rank. */
import { expect, it } from 'vitest';
import { legalize } from '../../../src/codegen/legalize.ts';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { interpret, parse, tensor } from '../../../src/ir/index.ts';
import { compileGraph } from '../../../src/runtime/compile_graph.ts';

const x = tensor('s8', [-128, -1, 0, 1, 7, 127], [1, 2, 3]);

const layers = {
  'a product whose zero point is subtracted first': `graph @main(%x: s8[1,2,3]) -> (%y) {
  %d = qnn.dequantize(%x, [0.25]:f32, zp=[-1]:s8) {axis=127} : f32[1,2,3]
  %v = qnn.dequantize(@w, [0.5, 0.25]:f32, zp=[128, 7]:u8) {axis=2} : f32[2,1,2]
  %y = nn.conv_transpose(%d, %v) {strides=[1], pads=[0,0], dilations=[1], group=2, outputPadding=[0]} : f32[1,2,4]
}
constants {
  @w : u8[2,1,2] = base64"B0AHQA=="
}
`,
  'a fixed-point requantize': `graph @main(%x: s8[1,2,3]) -> (%y) {
  %s = nn.cast(%x) {to="s32"} : s32[1,2,3]
  %y = qnn.requantize(%s, [1073741824]:s32, 3:s8, second=[0]:s32) {axis=127, arithmetic="fixed", rounding="half-away"} : s8[1,2,3]
}
`,
  'a quantize behind a transpose': `graph @main(%x: s8[1,2,3]) -> (%y) {
  %d = qnn.dequantize(%x, [0.25]:f32, zp=[-1]:s8) {axis=127} : f32[1,2,3]
  %t = nn.transpose(%d) {perm=[0,2,1]} : f32[1,3,2]
  %y = qnn.quantize(%t, [0.5]:f32, zp=[3]:s8) {axis=-5, dtype="s8"} : s8[1,3,2]
}
`,
};

it.each(Object.entries(layers))('%s', (_, text) => {
  const graph = parse(text);
  const expected = interpret(graph, { x });
  for (const target of ['symmetric', 'onednn'] as const) {
    const { graph: legal } = legalize(graph, { target });
    expect(interpret(legal, { x })).toEqual(expected);
    expect(interpret(importOnnx(exportOnnx(legal)), { x })).toEqual(expected);
  }
  expect(interpret(compileGraph(graph, { threads: 1 }).graph, { x })).toEqual(expected);
});
