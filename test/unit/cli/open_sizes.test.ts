import { describe, expect, it } from 'vitest';
import { explainGraph } from '../../../src/cli/explaining.ts';
import { fittingSizes } from '../../../src/cli/open_sizes.ts';
import { randomFeeds } from '../../../src/cli/random.ts';
import {
  type Graph,
  GraphBuilder,
  interpret,
  parse,
  type Shape,
  sizeOf,
  tensor,
  type Value,
} from '../../../src/ir/index.ts';
import { qnnConv } from '../../../src/ir/ops/qnn_conv.op.ts';
import { qnnMatmul } from '../../../src/ir/ops/qnn_matmul.op.ts';

const ones = (b: GraphBuilder, shape: readonly number[]): Value<'s8'> =>
  b.constant(tensor('s8', new Int8Array(sizeOf(shape)).fill(1), shape));

/** A window of 3 by 5 and a stride of 2 without padding. */
function windowed(x: Shape = ['N', 1, 'H', 'W']): Graph {
  const b = new GraphBuilder();
  const attrs = { strides: [2, 2], pads: [0, 0, 0, 0], dilations: [1, 1] };
  const operands = { x: b.input('x', 'u8', x) as Value<'u8'>, w: ones(b, [1, 1, 3, 5]), zx: b.scalar('u8', 7) };
  return b.finish([b.emit(qnnConv, operands, attrs)]);
}

/** Products of one input with weights of these lengths. */
function products(lengths: readonly number[]): Graph {
  const b = new GraphBuilder();
  const a = b.input('a', 's8', [2, 'K']) as Value<'s8'>;
  return b.finish(lengths.map((length) => b.emit(qnnMatmul, { a, b: ones(b, [length, 1]) })));
}

describe('sizes of open dimensions', () => {
  it('are 1 where that fits', () => expect(fittingSizes(windowed(['N', 1, 3, 5]))).toEqual(new Map([['N', 1]])));
  it('reach windows, and the first axis stays 1', () =>
    expect(fittingSizes(windowed())).toEqual(new Map(Object.entries({ N: 1, H: 5, W: 5 }))));
  it('fit the weights', () => expect(fittingSizes(products([37]))).toEqual(new Map([['K', 37]])));
  it('are not found where nothing fits', () => expect(fittingSizes(products([3, 5]))).toBeUndefined());
  it('keep to the bounds of a symbol, and bind sizes derived from it', () => {
    const graph = windowed(['N', 1, '2*H', 'W']);
    const bounded = { ...graph, symbols: { H: { min: 9 }, W: { max: 6 } } };
    expect(fittingSizes(bounded)).toEqual(new Map(Object.entries({ N: 1, H: 9, W: 5 })));
  });
  it('equal the sizes of random inputs', () => {
    const feeds = randomFeeds(windowed(), 1);
    expect(feeds.x.shape).toEqual([1, 1, 5, 5]);
    expect(Object.values(interpret(windowed(), feeds))[0].shape).toEqual([1, 1, 2, 1]);
  });
});

describe('explain', () => {
  it('plans for sizes that fit', () => {
    const { layers, withoutPlan } = explainGraph(windowed(), 'onednn', undefined);
    expect(withoutPlan).toBeUndefined();
    expect(layers.flatMap(({ fallback }) => fallback ?? [])).toEqual([]);
  });
  it('says where none do', () => {
    const { layers, withoutPlan } = explainGraph(products([3, 5]), 'onednn', undefined);
    expect(withoutPlan).toBe('no sizes were found that fit its open dimensions; give some with --shape');
    expect(layers.flatMap(({ fired }) => fired.map(({ rule }) => rule))).toContain('select-nn-matmul');
  });
});

const floats = (count: number): string => Buffer.from(new Float32Array(count).buffer).toString('base64');

it('random positions in a table lie inside of it, moved and cast or not', () => {
  const graph = parse(
    `graph @main(%ids: s64[2,3], %types: s32[3], %count: s64[3]) -> (%a, %b, %c) {
  %moved = nn.reshape(%ids) {shape=[6]} : s64[6]
  %a = nn.gather(@table, %moved) {axis=0} : f32[6,2]
  %wide = nn.cast(%types) {to="s64"} : s64[3]
  %b = nn.gather(@row, %wide) {axis=-1} : f32[1,3]
  %c = nn.identity(%count) : s64[3]
}
constants {
  @table : f32[2,2] = base64"${floats(4)}"
  @row : f32[1,3] = base64"${floats(3)}"
}
`,
    'tables.qir',
  );
  for (let seed = 1; seed <= 20; seed++) {
    const { ids, types } = randomFeeds(graph, seed);
    expect(Math.max(...Array.from(ids.data as BigInt64Array, Number))).toBeLessThan(2);
    expect(Math.max(...(types.data as Int32Array))).toBeLessThan(3);
    expect(() => interpret(graph, randomFeeds(graph, seed))).not.toThrow();
  }
});
