/** The limits of tensor sizes, the places that check them, and the memory that a run needs. */
import { describe, expect, it } from 'vitest';
import { UnskewError } from '../../../src/diagnostics/index.ts';
import {
  GraphBuilder,
  interpret,
  memoryNeed,
  parse,
  refuseTooLarge,
  specialize,
  type Value,
} from '../../../src/ir/index.ts';
import { type ConvAttrs, tapsOf } from '../../../src/ir/ops/conv_geometry.ts';
import { nnRelu } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnExpand, nnReshape, nnTile } from '../../../src/ir/ops/nn_movement.op.ts';
import { windowCounts } from '../../../src/ir/ops/pool_windows.ts';
import { zeros } from '../../../src/tensors/tensor.ts';

function refusal(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof UnskewError) return error.message;
    throw error;
  }
  return 'nothing';
}

describe('sizes', () => {
  const loc = { file: 'm.onnx', node: 'n', op: 'Tile' };
  it.each<[string, (b: GraphBuilder) => unknown, RegExp]>([
    [
      'an input',
      (b) => b.input('x', 'u8', [2 ** 30, 2 ** 30]),
      /U1006.*the input would be u8\[1073741824,1073741824\]/,
    ],
    ['an input of negative size', (b) => b.input('x', 'u8', [3, -4]), /U2005.*axis 1 is -4 positions/],
    [
      'a result',
      (b) => b.emit(nnTile, { x: b.input('x', 'f32', [4]) }, { repeats: [2 ** 46] }, { loc }),
      /U1006.*the result of nn.tile would be f32\[281474976710656\].*m.onnx › n \(Tile\).*help/s,
    ],
    [
      'a product beyond what binary64 counts',
      (b) => b.emit(nnTile, { x: b.input('x', 'f32', [2 ** 40]) }, { repeats: [2 ** 53 - 1] }),
      /U1006/,
    ],
    [
      'a product that is too large whatever the symbol is',
      (b) => b.emit(nnTile, { x: b.input('x', 'f32', ['N', 2 ** 25]) }, { repeats: [1, 2 ** 25] }),
      /U1006/,
    ],
    ['behind an axis of size 0', (b) => b.input('x', 'u8', [0, 2 ** 30, 2 ** 30]), /U1006/],
  ])('%s', (_name, build, expected) => {
    expect(refusal(() => build(new GraphBuilder()))).toMatch(expected);
  });

  it('of a symbol, when it is bound', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'f32', ['N', 'N', 'N']);
    const graph = b.finish([b.emit(nnRelu, { x })]);
    expect(specialize(graph, new Map([['N', 1000]])).values[graph.outputs[0]].type.shape).toEqual([1000, 1000, 1000]);
    expect(refusal(() => specialize(graph, new Map([['N', 2 ** 17]])))).toMatch(/U1006/);
  });

  it('in text', () => {
    expect(refusal(() => parse('graph @g(%x: u8[1099511627776,1024]) -> (%x) {\n}\n'))).toMatch(/U1006/);
  });

  it('that a machine may hold are legal', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'u8', [2 ** 33, 4]);
    expect(b.emit(nnReshape, { x }, { shape: [2 ** 35] }).type.shape).toEqual([2 ** 35]);
  });
});

describe('windows', () => {
  /** Every tap at every position, as the equation has it. */
  function brute(kernel: number[], input: number[], output: number[], { strides, pads, dilations }: ConvAttrs) {
    const taps: { index: number; inputAt: number[]; outputAt: number[] }[] = [];
    for (let ky = 0; ky < kernel[0]; ky++)
      for (let kx = 0; kx < kernel[1]; kx++) {
        const tap = { index: ky * kernel[1] + kx, inputAt: [] as number[], outputAt: [] as number[] };
        for (let oy = 0; oy < output[0]; oy++)
          for (let ox = 0; ox < output[1]; ox++) {
            const iy = oy * strides[0] - pads[0] + ky * dilations[0];
            const ix = ox * strides[1] - pads[1] + kx * dilations[1];
            if (iy < 0 || ix < 0 || iy >= input[0] || ix >= input[1]) continue;
            tap.inputAt.push(iy * input[1] + ix);
            tap.outputAt.push(oy * output[1] + ox);
          }
        if (tap.inputAt.length > 0) taps.push(tap);
      }
    return taps;
  }

  it('have the taps of the equation', () => {
    for (const pad of [0, 1, 3])
      for (const stride of [1, 2, 5])
        for (const dilation of [1, 3])
          for (const size of [1, 2, 4]) {
            const attrs = { strides: [stride, 1], pads: [pad, 1, pad, 0], dilations: [dilation, 2], group: 1 };
            const [input, output] = [
              [7, 3],
              [4, 3],
            ];
            const taps = tapsOf([size, 2], input, output, attrs).map(({ index, inputAt, outputAt }) => ({
              index,
              inputAt: [...inputAt],
              outputAt: [...outputAt],
            }));
            expect(taps).toEqual(brute([size, 2], input, output, attrs));
          }
  });

  it('of 2^40 positions are walked over where they meet the input', () => {
    const far = 2 ** 40;
    const attrs = { strides: [far, 1], pads: [far - 3, 1, far, 0], dilations: [1, 1], group: 1 };
    const taps = tapsOf([far, 2], [8, 2], [1, 2], attrs);
    expect(taps.map(({ index }) => index).slice(0, 3)).toEqual([(far - 3) * 2, (far - 3) * 2 + 1, (far - 2) * 2]);
    const pool = { ...attrs, kernel: [far, 2], ceilMode: false };
    expect([...windowCounts([1, 1, 8, 2], [1, 1, 1, 2], pool, false)]).toEqual([3, 6]);
    expect([...windowCounts([1, 1, 8, 2], [1, 1, 1, 2], pool, true)]).toEqual([2 * far, 2 * far]);
  });
});

describe('the memory that a run needs', () => {
  const MiB = 2 ** 20;
  function chain(length: number, hold: boolean) {
    const b = new GraphBuilder();
    let x: Value<'u8'> = b.input('x', 'u8', [MiB]);
    const all = [];
    for (let i = 0; i < length; i++) {
      x = b.emit(nnExpand, { x: b.emit(nnReshape, { x }, { shape: [1, MiB] }) }, { shape: [1, MiB] });
      all.push(x);
      x = b.emit(nnReshape, { x }, { shape: [MiB] });
    }
    return b.finish(hold ? all : [x]);
  }

  it('is the memory of values that are alive at once, and views take none', () => {
    expect(memoryNeed(chain(10, false)).bytes).toBe(3 * MiB);
    expect(memoryNeed(chain(10, true)).bytes).toBe(11 * MiB);
  });

  it('is refused where there is less, with the node', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'u8', [1]);
    const loc = { file: 'm.onnx', node: 'big', op: 'Expand' };
    const y = b.emit(nnExpand, { x }, { shape: [2 ** 42] }, { loc });
    const graph = b.finish([y]);
    for (const when of ['now', 'ever'] as const)
      expect(refusal(() => refuseTooLarge(graph, when))).toMatch(/U1006.*GiB.*m.onnx › big \(Expand\).*help/s);
    expect(refusal(() => interpret(graph, { x: zeros('u8', [1]) }))).toMatch(/U1006/);
  });

  it('of many tensors, each of which would fit', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'u8', [1]);
    const all = Array.from({ length: 5000 }, () => b.emit(nnExpand, { x }, { shape: [2 ** 30] }));
    expect(refusal(() => refuseTooLarge(b.finish(all), 'ever'))).toMatch(/U1006.*takes 5,000 GiB/);
  });
});
