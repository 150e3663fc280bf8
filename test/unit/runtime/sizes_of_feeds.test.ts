/** Sizes of symbols: sizes of feeds, and given sizes. */
import { describe, expect, it } from 'vitest';
import { checkFeeds, type Graph, parse, tensor, type ValueId } from '../../../src/ir/index.ts';
import { bindShapes } from '../../../src/runtime/bind_shapes.ts';

const twoInputs = (sizes = ''): Graph => parse(`graph @main(%a: u8[N,2], %b: u8[N,N]) -> (%a)${sizes} {\n}\n`);
const feeds = (a: readonly number[], b: readonly number[]) => ({
  a: tensor('u8', new Uint8Array(a[0] * a[1]), a),
  b: tensor('u8', new Uint8Array(b[0] * b[1]), b),
});

describe('sizes of symbols', () => {
  it('are one size wherever they stand', () => {
    expect([...checkFeeds(twoInputs(), feeds([3, 2], [3, 3]))]).toEqual([['N', 3]]);
    expect(() => checkFeeds(twoInputs(), feeds([3, 2], [4, 4]))).toThrow('and N is 3 elsewhere');
    expect(() => checkFeeds(twoInputs(), feeds([3, 2], [3, 4]))).toThrow('and N is 3 elsewhere');
    expect(() => checkFeeds(twoInputs(), feeds([3, 1], [3, 3]))).toThrow('should be u8[N,2]');
  });

  it('are within their bounds', () => {
    const bounded = twoInputs(' sizes(N=[2,4])');
    for (const size of [2, 3, 4]) expect(checkFeeds(bounded, feeds([size, 2], [size, size])).get('N')).toBe(size);
    for (const size of [0, 1, 5, 9])
      expect(() => checkFeeds(bounded, feeds([size, 2], [size, size]))).toThrow(
        `the size N is ${size}, but the model takes 2 to 4`,
      );
  });

  it('are given once', () => {
    expect(bindShapes(twoInputs(), { a: [3, 2], b: [3, 3] }).values['b' as ValueId]).toMatchObject({
      type: { shape: [3, 3] },
    });
    expect(() => bindShapes(twoInputs(), { a: [3, 2], b: [4, 4] })).toThrow("'N' cannot be both 3 and 4");
    expect(() => bindShapes(twoInputs(), { b: [3, 4] })).toThrow("'N' cannot be both 3 and 4");
  });
});
