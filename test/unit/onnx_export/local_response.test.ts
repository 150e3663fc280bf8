/** Normalizations over neighbouring channels, on ONNX Runtime: its LRN takes windows of odd size on tensors of rank 4. */
import { describe, expect, it } from 'vitest';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { interpret, parse, sizeOf, tensor } from '../../../src/ir/index.ts';
import { differenceOf, runOnnx } from './support.ts';

const shapes: readonly (readonly number[])[] = [
  [2, 5],
  [2, 5, 3],
  [1, 5, 2, 3],
  [2, 5, 2, 1, 3],
  [1, 5, 0, 2],
  [2, 5, 0],
  [0, 5, 2],
  [2, 1, 3],
];

describe.each([1, 2, 3, 4, 5, 8])('a window of %i channels', (size) => {
  const graphOf = (dims: string) =>
    parse(`graph @main(%x: f32[${dims}]) -> (%y) {
  %y = nn.lrn(%x) {size=${size}, alpha=0.5, beta=0.75, bias=1.5} : f32[${dims}]
}
`);
  it.each(shapes.map((shape) => ({ shape })))('on [$shape]', async ({ shape: given }) => {
    const data = Float32Array.from({ length: sizeOf(given) }, (_, i) => ((i * 37) % 23) / 4 - 2);
    const feeds = { x: tensor('f32', data, given) };
    const open = given.map((dim, i) => (i === 1 ? dim : 'NCDHW'[i]));
    for (const graph of [graphOf(given.join()), ...(given.includes(0) ? [] : [graphOf(open.join())])]) {
      const bytes = exportOnnx(graph);
      const expected = interpret(graphOf(given.join()), feeds);
      expect(differenceOf(await runOnnx(bytes, feeds, 'all'), expected, 1e-6)).toBeUndefined();
      expect(differenceOf(interpret(importOnnx(bytes), feeds), expected, 1e-6)).toBeUndefined();
    }
  });
});
