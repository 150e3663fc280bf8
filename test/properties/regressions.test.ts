/** Graphs that once refuted a rule: the rule has to hold on them, or to say why it does not apply. */
import { describe, expect, it } from 'vitest';
import { selectIntegerAdd, selectIntegerSub, selectRequantized } from '../../src/codegen/onednn/select/select.rules.ts';
import { parse, print } from '../../src/ir/index.ts';
import { applyRules } from '../../src/passes/rewrite/driver.ts';
import type { AnyRule } from '../../src/passes/rewrite/rule.ts';
import { addOfAdd } from '../../src/passes/rules/canon_add.rule.ts';
import { fourTerm } from '../../src/passes/rules/four_term.rule.ts';
import { qdqAveragePool } from '../../src/passes/rules/qdq_pool.rule.ts';
import { applyOnce, checkRewrite } from '../../src/testing/index.ts';

function reasonOf(rule: AnyRule, text: string): string {
  const reasons: string[] = [];
  applyRules(parse(text), [rule], { onMiss: (miss) => reasons.push(miss.reason) });
  return reasons.join('; ');
}

describe('four-term', () => {
  const graph = (w: string) => `graph @main(%x: u8[1,2,1]) -> (%conv) {
  %conv = qnn.conv(%x, @w, zx=3:u8) {strides=[1], pads=[0,0], dilations=[1], group=2} : s32[1,4,1]
}
constants { @w : ${w}[4,1,1] = base64"AQEBAQ==" }`;

  it('is for grouped weights only when they are s8 without a zero point: u8 has one of 128 after recentring', () => {
    expect(reasonOf(fourTerm, graph('u8'))).toBe('grouped weights that are not symmetric s8');
    const symmetric = parse(graph('s8'));
    const after = applyOnce(symmetric, fourTerm);
    expect(after).toBeDefined();
    checkRewrite(symmetric, after!);
  });
});

describe('qdq-average-pool', () => {
  const pool = (attrs: string, size: number) => `graph @main(%x: u8[1,1,4]) -> (%y) {
  %d = qnn.dequantize(%x, 1:f32) : f32[1,1,4]
  %p = nn.average_pool(%d) {kernel=[2], strides=[2], ${attrs}} : f32[1,1,${size}]
  %y = qnn.quantize(%p, 0.5:f32) : u8[1,1,${size}]
}`;

  it('is not for partial windows that count pads: the integer pool divides by the whole kernel', () => {
    expect(reasonOf(qdqAveragePool, pool('pads=[1,1], dilations=[2], ceilMode=true, countIncludePad=true', 3))).toMatch(
      'a last partial window',
    );
  });

  it('is not for windows that may miss the input: their mean is NaN', () => {
    expect(reasonOf(qdqAveragePool, pool('pads=[1,1], dilations=[2]', 2))).toMatch('may lie outside the input');
  });

  it('holds for the others', () => {
    const graph = parse(pool('pads=[1,0], dilations=[1], countIncludePad=true', 2));
    checkRewrite(graph, applyOnce(graph, qdqAveragePool)!, { steps: 1 });
  });
});

describe.each([
  ['add', selectIntegerAdd],
  ['sub', selectIntegerSub],
] as const)('select-integer-%s', (op, rule) => {
  it('takes only rows that cover the sum: a row that broadcasts along another axis stays apart', () => {
    const text = `graph @main(%x: s32[3,1,N], %row: s32[3,1,1]) -> (%y) {
  %m = nn.mul(%row, [2]:s32) : s32[3,1,1]
  %y = nn.${op}(%x, %m) : s32[3,1,N]
}`;
    expect(applyOnce(parse(text), rule)).toBeUndefined();
  });
});

describe('add-of-add', () => {
  it('keeps a constant of zeros that broadcasts the sum to another shape', () => {
    const graph = parse(`graph @main(%x: s32[1,1]) -> (%z) {
  %y = nn.add(%x, [1]:s32) : s32[1,1]
  %z = nn.add(%y, @c) : s32[2,1]
}
constants { @c : s32[2,1] = base64"AAAAAAAAAAA=" }`);
    checkRewrite(graph, applyOnce(graph, addOfAdd)!);
    const zeros = parse(print(graph).replace('[1]:s32', '0:s32'));
    checkRewrite(zeros, applyOnce(zeros, addOfAdd)!);
  });
});

describe('select-requantized', () => {
  it('leaves an addition alone that broadcasts the sum, with any other term added to it', () => {
    const graph = `graph @main(%x: u8[N,2,1]) -> (%y) {
  %conv = qnn.conv(%x, @w) {strides=[1], pads=[0,0], dilations=[1], group=2} : s32[N,2,1]
  %sum = nn.add(%conv, @map) : s32[N,2,2]
  %y = qnn.requantize(%sum, 0.5:f32, 5:u8) {axis=1} : u8[N,2,2]
}
constants {
  @w : s8[2,1,1] = base64"AQI="
  @map : s32[1,2,2] = base64"AgAAAAMAAAADAAAABAAAAA=="
}`;
    expect(reasonOf(selectRequantized, graph)).toBe('it is neither a convolution nor a matmul');
  });
});
