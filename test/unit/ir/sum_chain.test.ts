/** The law of sumChain: the value is the rest plus all absorbed terms, in wrapping int32. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Graph, GraphBuilder, type ITensor, interpret, tensor, type Value } from '../../../src/ir/index.ts';
import { nnAdd, nnMul, nnSub } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import { type SumChain, sumChain } from '../../../src/ir/sum_chain.ts';
import { GraphEditor } from '../../../src/passes/rewrite/editor.ts';

const [N, C, H, W] = [2, 3, 2, 2];
const SHAPE = [N, C, H, W];
const s32 = fc.oneof(fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, 0, 1), fc.integer());

const shapes: readonly (readonly number[])[] = [
  [],
  [1],
  [C, 1, 1],
  [1, C, 1, 1],
  [C, H, W],
  [1, C, H, W],
  [H, W],
  [1, 1, 1, W],
  [N, 1, 1, 1],
  SHAPE,
];
const constant: fc.Arbitrary<ITensor<'s32'>> = fc.constantFrom(...shapes).chain((shape) => {
  const size = shape.reduce((a, b) => a * b, 1);
  return fc.array(s32, { minLength: size, maxLength: size }).map((data) => tensor('s32', data, shape));
});
interface Addition {
  readonly kind: 'add' | 'sub' | 'swapped' | 'row' | 'minus row';
  readonly constant: ITensor<'s32'>;
  readonly column: readonly number[];
  /** True when another node reads the sum before it. */
  readonly isRead: boolean;
}
const addition: fc.Arbitrary<Addition> = fc.record({
  kind: fc.constantFrom('add', 'sub', 'swapped', 'row', 'minus row'),
  constant,
  column: fc.array(s32, { minLength: C, maxLength: C }),
  isRead: fc.boolean(),
});

/** The additions upon an input, in order; values that are read elsewhere are outputs. */
function built(additions: readonly Addition[], rowChannels: 1 | typeof C) {
  const b = new GraphBuilder();
  let value: Value<'s32'> = b.input('x', 's32', SHAPE);
  const row = b.input('row', 's32', [N, rowChannels, H, W]);
  const outputs: Value<'s32'>[] = [];
  for (const { kind, constant: t, column, isRead } of additions) {
    if (isRead) outputs.push(value);
    const added =
      kind === 'row' || kind === 'minus row'
        ? b.emit(nnMul, { a: row, b: b.constant(tensor('s32', [...column], [1, C, 1, 1])) })
        : b.constant(t);
    const operands = kind === 'swapped' ? { a: added, b: value } : { a: value, b: added };
    value = b.emit(kind === 'sub' || kind === 'minus row' ? nnSub : nnAdd, operands) as Value<'s32'>;
  }
  return { graph: b.finish([...new Set([...outputs, value])]), value, read: new Set(outputs.map(({ id }) => id)) };
}

const feeds = (rowChannels: number) => ({
  x: tensor(
    's32',
    Int32Array.from({ length: N * C * H * W }, (_, i) => Math.imul(i + 1, 0x3b9aca07)),
    SHAPE,
  ),
  row: tensor(
    's32',
    Int32Array.from({ length: N * rowChannels * H * W }, (_, i) => Math.imul(i, 0x1234567)),
    [N, rowChannels, H, W],
  ),
});

/** sum + bias[c] + map[c, p] + row·column[c] */
function recomposed(graph: Graph, chain: SumChain, rowChannels: number): Int32Array {
  const ids = [chain.sum, ...(chain.row ? [chain.row] : [])];
  const values = interpret({ ...graph, outputs: [...new Set(ids)] }, feeds(rowChannels));
  const sum = values[chain.sum].data as Int32Array;
  const row = chain.row && (values[chain.row].data as Int32Array);
  return Int32Array.from(sum, (x, i) => {
    const position = i % (H * W);
    const c = Math.floor(i / (H * W)) % C;
    const n = Math.floor(i / (H * W * C));
    const channel = rowChannels === 1 ? 0 : c;
    const update = row ? Math.imul(row[(n * rowChannels + channel) * H * W + position], chain.column!.data[c]) : 0;
    return x + (chain.bias?.data[c] ?? 0) + (chain.map?.data[c * H * W + position] ?? 0) + update;
  });
}

const cases = fc.record({
  additions: fc.array(addition, { minLength: 1, maxLength: 6 }),
  rowChannels: fc.constantFrom(1 as const, C),
});

describe('sumChain', () => {
  it('leaves a sum that makes the value together with the absorbed terms', () => {
    fc.assert(
      fc.property(cases, ({ additions, rowChannels }) => {
        const { graph, value } = built(additions, rowChannels);
        const chain = sumChain(new GraphEditor(graph), value.id, 1);
        const expected = interpret({ ...graph, outputs: [value.id] }, feeds(rowChannels))[value.id];
        expect(recomposed(graph, chain, rowChannels)).toEqual(expected.data);
      }),
      { numRuns: 200 },
    );
  });

  it('absorbs no sum that others read, and says how many additions it took', () => {
    fc.assert(
      fc.property(cases, ({ additions, rowChannels }) => {
        const { graph, value, read } = built(additions, rowChannels);
        const editor = new GraphEditor(graph);
        const chain = sumChain(editor, value.id, 1);
        let length = 0;
        for (let at = value.id; at !== chain.sum; length++) {
          if (length > 0) expect(read.has(at)).toBe(false);
          const [a, b] = editor.producer(at)!.operands;
          at = (editor.isConstant(a!) || editor.producer(a!)?.op === 'nn.mul' ? b : a)!;
        }
        expect(chain.length).toBe(length);
      }),
      { numRuns: 200 },
    );
  });

  it('absorbs all constants per channel, one map and one row', () => {
    const per = (shape: readonly number[], value: number) =>
      tensor('s32', new Int32Array(shape.reduce((a, b) => a * b, 1)).fill(value), shape);
    const one = (kind: Addition['kind'], t = per([], 0)): Addition => ({
      kind,
      constant: t,
      column: [1, 2, 3],
      isRead: false,
    });
    const chainOf = (...additions: Addition[]) => {
      const { graph, value } = built(additions, 1);
      return sumChain(new GraphEditor(graph), value.id, 1);
    };
    const all = chainOf(
      one('add', per([C, 1, 1], 4)),
      one('sub', per([1, C, H, W], 5)),
      one('minus row'),
      one('swapped', per([], 7)),
    );
    expect(all).toMatchObject({ length: 4, sum: 'x' });
    expect([all.bias?.data, all.map?.data[0], all.column?.data]).toEqual([
      Int32Array.of(11, 11, 11),
      -5,
      Int32Array.of(-1, -2, -3),
    ]);
    expect(chainOf(one('add', per([C, H, W], 1)), one('add', per([C, H, W], 2))).length).toBe(1);
    expect(chainOf(one('row'), one('row')).length).toBe(1);
    expect(chainOf(one('add', per([1, 1, 1, W], 1))).length).toBe(0);
    expect(chainOf(one('add', per(SHAPE, 1))).length).toBe(0);
  });
});
