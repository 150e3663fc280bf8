import { describe, expect, it } from 'vitest';
import { explainGraph } from '../../../src/cli/explaining.ts';
import { work as explain } from '../../../src/cli/work/explain.ts';
import { parse } from '../../../src/ir/index.ts';

/** The terms of a sum are of two types: qdq-add finds all of its group, and one value that does not fit. */
const mixed = parse(`graph @main(%a: u8[1,4], %b: s8[1,4]) -> (%y) {
  %da = qnn.dequantize(%a, 0.5:f32, 3:u8) : f32[1,4]
  %db = qnn.dequantize(%b, 0.25:f32, 0:s8) : f32[1,4]
  %sum = nn.add(%da, %db) : f32[1,4]
  %y = qnn.quantize(%sum, 1.0:f32, 7:u8) {dtype="u8"} : u8[1,4]
}`);

describe('explain', () => {
  it('orders misses by how near they came', () => {
    const { layers } = explainGraph(mixed, 'onednn', undefined);
    const missed = layers.find(({ nodes }) => nodes.includes('y'))?.missed;
    expect(missed?.map(({ rule, nearness, hint }) => ({ rule, nearness, hint }))).toMatchInlineSnapshot(`
      [
        {
          "hint": "quantize all three to one type",
          "nearness": 0,
          "rule": "qdq-add",
        },
        {
          "hint": undefined,
          "nearness": 1,
          "rule": "qdq-table",
        },
        {
          "hint": undefined,
          "nearness": 2,
          "rule": "select-reciprocal-quantize",
        },
      ]
    `);
    expect(missed?.map(({ nearness }) => nearness)).toEqual(missed?.map(({ nearness }) => nearness).sort());
  });

  it('prints rules that nearly fired apart from rules that do not apply', () => {
    const terminal = { verbose: true, paint: (_style: string, text: string) => text };
    const result = { file: 'm.qir', target: 'onednn' as const, ...explainGraph(mixed, 'onednn', undefined) };
    expect(explain.format(result, terminal as never)).toMatchInlineSnapshot(`
      "da (qnn.dequantize)
        no rule looked at it

      db (qnn.dequantize)
        no rule looked at it

      sum (nn.add)
        do not apply
          select-scaled-sum   no scaled sum is in front of it
          select-integer-add  the sum is f32

      y (qnn.quantize)
        nearly fired
          qdq-add    an operand is of s8, the result of u8 [%b]; what helps: quantize all three to one type
          qdq-table  the chain has two sources, %a and %b; a table has one [%b]
        do not apply
          select-reciprocal-quantize  it divides"
    `);
  });
});
