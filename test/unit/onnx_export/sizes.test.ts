/** Operators with sizes for attributes are written with the arithmetic of those sizes, and read back as the same operators. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { originOf } from '../../../src/importers/onnx/origin.ts';
import { interpret, parse, sizeOf, tensor } from '../../../src/ir/index.ts';

const graph =
  parse(`graph @main(%x: f32[N,M,8], %z: f32[N,P]) -> (%slice, %back, %pad, %tile, %expand, %range, %resize) {
  %slice = nn.slice(%x) {starts=["N-1"], ends=["min(M,N+2)"], axes=[1], steps=[1]} : f32[N,"max(0,min(min(M,N+2),min(M,N+2)-wrap(N-1,M)))",8]
  %back = nn.slice(%x) {starts=["N-P"], ends=[2147483647], axes=[1], steps=[1]} : f32[N,"max(0,min(M,M-wrap(N-P,M)))",8]
  %pad = nn.pad(%x) {pads=[0,0,0,0,"M/2",0], mode="constant"} : f32[N,"M+(M/2)",8]
  %tile = nn.tile(%x) {repeats=[1,"P","N"]} : f32[N,"M*P","N*8"]
  %expand = nn.expand(%x) {shape=["P","N","M",8]} : f32[P,N,M,8]
  %range = nn.range(1:s64, 3:s64) {count=["max(0,M-2)"]} : s64["max(0,M-2)"]
  %resize = nn.resize(%x) {shape=["N","M*2+P",8], scales=[1,0,1], mode="nearest"} : f32[N,"M*2+P",8]
}`);

it('sizes are computed in the file as they are in the graph', () => {
  const read = importOnnx(exportOnnx(graph));
  expect(originOf(read)?.unsupported).toEqual([]);
  const size = fc.integer({ min: 0, max: 6 });
  fc.assert(
    fc.property(size, size, size, (n, m, p) => {
      fc.pre(n * m > 0 || m * 2 + p === 0); // nothing cannot be resized
      const shape = [n, m, 8];
      const x = tensor(
        'f32',
        Float32Array.from({ length: sizeOf(shape) }, (_, i) => i),
        shape,
      );
      const feeds = { x, z: tensor('f32', new Float32Array(n * p), [n, p]) };
      expect(interpret(read, feeds)).toEqual(interpret(graph, feeds));
    }),
  );
});
