/** The sizes for which a region with symbols is checked. */
import { expect, it } from 'vitest';
import { legalize } from '../../../src/codegen/legalize.ts';
import { type Graph, parse, type ValueId } from '../../../src/ir/index.ts';
import { SizedRegions } from '../../../src/proofs/sizes.ts';

/** The leaf's shape in every size. */
const shapesOf = (graph: Graph): (readonly (number | string)[])[] => {
  const [leaf] = graph.inputs;
  const regions = new SizedRegions({ root: 'y' as ValueId, leaves: [leaf], before: graph, after: graph });
  return Array.from(regions, (region) => region.before.values[leaf].type.shape);
};

const conv = (shape: string, out: string, attrs: string, weights: string, bytes: string) =>
  parse(`graph @main(%x: s8${shape}) -> (%y) {
  %y = qnn.conv(%x, @w, 3:s8) ${attrs} : s32${out}
}
constants {
  @w : s8${weights} = base64"${bytes}"
}
`);

it('a symbol under a window takes every size up to the window, its pads and a stride; the batch takes turns', () => {
  const graph = conv('[N,1,W]', '[N,1,W]', '{strides=[1], pads=[1,1], dilations=[1]}', '[1,1,3]', 'AQEB');
  const shapes = shapesOf(graph);
  expect(shapes.map(([, , w]) => w)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(new Set(shapes.map(([n]) => n))).toEqual(new Set([2, 3]));
});

it('a leaf that is a derived size long begins where it has elements', () => {
  const graph = conv(
    '[1,1,"((W-13)/2)+1"]',
    '[1,1,"((W-13)/2)-1"]',
    '{strides=[1], pads=[0,0], dilations=[1]}',
    '[1,1,3]',
    'AQEB',
  );
  expect(shapesOf(graph).map(([, , w]) => w)).toEqual([3, 4]); // 1 and 2 are shorter than the window
});

it('three symbols take all their sizes, and not every size with every other when these are too many', () => {
  const graph = conv(
    '[1,1,D,H,W]',
    '[1,1,"((D-5)/2)+1","((H-5)/2)+1","((W-5)/2)+1"]',
    '{strides=[2,2,2], pads=[0,0,0,0,0,0], dilations=[2,2,2]}',
    '[1,1,3,3,3]',
    'AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB',
  );
  const shapes = shapesOf(graph);
  expect(shapes.length).toBeLessThanOrEqual(256);
  for (const axis of [2, 3, 4]) expect(new Set(shapes.map((s) => s[axis]))).toEqual(new Set([5, 6, 7]));
});

it('columns that meet the rows of known weights are as many', () => {
  const graph = parse(`graph @main(%x: s8[N,K]) -> (%y) {
  %y = qnn.matmul(%x, @w) : s32[N,2]
}
constants {
  @w : s8[3,2] = base64"AQIDBAUG"
}
`);
  expect(shapesOf(graph).map(([, k]) => k)).toEqual([3, 3]);
});

it('layers of an empty batch are proved, by the ways there are', () => {
  const weights = Buffer.from(Int8Array.from({ length: 36 }, (_, i) => ((i * 37) % 200) - 100)).toString('base64');
  const graph = parse(`graph @main(%x: u8[0,4,5,5]) -> (%y) {
  %c = qnn.conv(%x, @w, 3:u8, 93:s8) {strides=[1,1], pads=[1,1,1,1], dilations=[1,1], group=4} : s32[0,4,5,5]
  %y = qnn.requantize(%c, 0.01:f32, 5:u8) {axis=1} : u8[0,4,5,5]
}
constants {
  @w : s8[4,1,3,3] = base64"${weights}"
}
`);
  const { certificate, strategies } = legalize(graph);
  expect(certificate.verdict).toBe('bit-exact');
  expect(strategies.map(({ chosen }) => chosen)).not.toContain('s32-shift');
});
