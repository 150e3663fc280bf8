/** The ways of transposed convolutions: which are legal where, and why not; that s8 sources become u8. */
import { describe, expect, it } from 'vitest';
import { legalize } from '../../../src/codegen/legalize.ts';
import { constantOf, type Graph, GraphBuilder, interpret, nodesOf, tensor } from '../../../src/ir/index.ts';
import { qnnConvTranspose } from '../../../src/ir/ops/qnn_conv_transpose.op.ts';

interface Layer {
  readonly x?: 'u8' | 's8';
  readonly size?: number | 'W';
  readonly kernel: number;
  readonly stride?: number;
  readonly pads?: readonly [number, number];
  readonly weights?: readonly number[];
}

/** One channel, two filters of the same weights but for their sign. */
function layer({ x: type = 'u8', size = 4, kernel, stride = 1, pads = [0, 0], weights }: Layer): Graph {
  const b = new GraphBuilder();
  const taps = weights ?? Array.from({ length: kernel }, (_, i) => i + 1);
  const w = b.constant(tensor('s8', [...taps, ...taps.map((v) => -v)], [1, 2, kernel]));
  const attrs = { strides: [stride], pads, dilations: [1], outputPadding: [0] };
  return b.finish([b.emit(qnnConvTranspose, { x: b.input('x', type, [1, 1, size]), w, zx: b.scalar(type, 5) }, attrs)]);
}

const waysOf = (graph: Graph) => legalize(graph).strategies[0].ways;
const reasonOf = (graph: Graph, way: string) => waysOf(graph).find(({ name }) => name === way)?.reason;
const opsOf = (graph: Graph) => nodesOf(graph).map(({ op }) => op);

describe('the correction is one number per filter', () => {
  it.each([
    ['with one tap', { kernel: 1 }],
    ['with one tap and a symbolic size', { kernel: 1, size: 'W' }],
    ['where pads crop away all that fewer taps reach', { kernel: 3, pads: [2, 2], size: 'W' }],
    ['where equal taps meet one at a time', { kernel: 2, stride: 2, weights: [7, 7] }],
    ['where all taps cancel', { kernel: 2, stride: 2, weights: [0, 0] }],
  ] as const)('%s', (_, spec) => {
    const graph = layer(spec);
    const after = legalize(graph, { strategy: 'fold' });
    expect(after.strategies[0].chosen).toBe('fold');
    const x = tensor('u8', [1, 200, 3, 255], [1, 1, 4]);
    expect(interpret(after.graph, { x })).toEqual(interpret(graph, { x }));
  });

  it.each([
    ['by stride phase', { kernel: 3, stride: 2 }],
    ['at the borders', { kernel: 3, pads: [2, 1] }],
    ['for sizes that nobody knows', { kernel: 2, stride: 2, weights: [7, 7], size: 'W' }],
  ] as const)('but not where taps differ %s', (_, spec) => {
    expect(reasonOf(layer(spec), 'fold')).toMatch('taps per position differ with the stride phase');
  });
});

it('the map repeats with the stride: taps 1 and 3, then tap 2, by turns', () => {
  const { graph } = legalize(layer({ kernel: 3, stride: 2 }), { strategy: 'border-table' });
  const subtract = nodesOf(graph).find(({ op }) => op === 'nn.sub')!;
  const map = constantOf(graph, subtract.operands[1])!;
  expect(map.shape).toEqual([1, 2, 9]);
  expect(Array.from(map.data as Int32Array, (v) => v / 5).slice(0, 9)).toEqual([1, 2, 4, 2, 4, 2, 4, 2, 3]);
});

it('a map needs a known size; pad does not apply', () => {
  const open = layer({ kernel: 3, stride: 2, size: 'W' });
  expect(reasonOf(open, 'border-table')).toBe('the map needs a known spatial size');
  expect(waysOf(open).map(({ name }) => name)).not.toContain('pad');
  const [{ id }] = nodesOf(open);
  expect(() => legalize(open, { strategy: { [id]: 'pad' } })).toThrow('the way does not apply to this layer');
});

it('s8 sources are moved to u8 for deconvolutions of oneDNN 2, which are slow over them', () => {
  const graph = layer({ kernel: 3, stride: 2, x: 's8' });
  expect(opsOf(legalize(graph, { target: 'onednn' }).graph)).toContain('nn.recentre');
  const third = { name: 'onednn', isa: 'vnni', threads: 1, onednnMajor: 3 } as const;
  expect(opsOf(legalize(graph, { target: third }).graph)).not.toContain('nn.recentre');
});
