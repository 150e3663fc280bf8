/** Element types that the compiler cannot see are seen at run time, and refused where they are others. */
import { describe, expect, test } from 'vitest';
import { GraphBuilder, isTensorOf, ofType, tensor, tensorOfType } from '../../../src/ir/index.ts';

const b = new GraphBuilder();
const x = b.input('x', 'u8', [2]);
const t = tensor('s8', [1, -1]);

describe('element types', () => {
  test('of values', () => {
    expect(ofType(x, 's8', 'u8')).toBe(x);
    expect(() => ofType(x, 's8', 's32')).toThrow('%x is of type u8, not s8 or s32');
    expect(() => ofType(x)).toThrow('%x is of type u8');
  });
  test('of tensors', () => {
    expect(isTensorOf(t, 's8')).toBe(true);
    expect(isTensorOf(t, 'u8', 's32')).toBe(false);
    expect(tensorOfType(t, 's8')).toBe(t);
    expect(() => tensorOfType(t, 'u8')).toThrow('a tensor is of type s8, not u8');
  });
});
