/** Feeds whose type, dims and data do not belong together are refused, from every maker. */
import { describe, expect, it } from 'vitest';
import { toFeeds } from '../../../src/runtime/feeds.ts';

const bytes = (length: number, dims: unknown, type = 'uint8') => ({
  x: { type, data: new Uint8Array(length), dims } as never,
});

describe('toFeeds', () => {
  it.each<[number, readonly number[]]>([
    [6, [2, 3]],
    [1, []],
    [0, [0, 3]],
    [0, [3, 0]],
  ])('takes %d elements as %j', (length, dims) => {
    expect(toFeeds(bytes(length, dims))).toEqual({ x: { dtype: 'u8', shape: dims, data: new Uint8Array(length) } });
  });

  it.each<[number, readonly number[], number]>([
    [5, [2, 3], 6],
    [7, [2, 3], 6],
    [12, [2, 3], 6],
    [0, [], 1],
    [2, [], 1],
    [0, [1], 1],
    [3, [0, 3], 0],
  ])('refuses %d elements as %j', (length, dims, hold) => {
    expect(() => toFeeds(bytes(length, dims))).toThrow(
      new RegExp(`U4001.*hold ${hold} elements, its data has ${length}`),
    );
  });

  const circular: unknown[] = [];
  circular.push(circular);
  it.each<[string, unknown]>([
    ['negative', [-1, -6]],
    ['a fraction', [2.5, 2]],
    ['NaN', [Number.NaN]],
    ['2^53', [2 ** 53]],
    ['a string', '6'],
    ['undefined', undefined],
    ['null', null],
    ['an object', { 0: 6 }],
    ['BigInts', [1n, 6n]],
    ['a symbol', [Symbol('n')]],
    ['a hole', Object.assign(Array(2), { 1: 6 })],
    ['only holes', Array(2)],
    ['a circle', circular],
  ])('refuses dims: %s', (_, dims) => {
    expect(() => toFeeds(bytes(6, dims))).toThrow(/U4001.*should be sizes/);
  });

  it.each<[string, unknown]>([
    ['another array', { type: 'int8', data: new Uint8Array(1), dims: [1] }],
    ['an array of numbers', { type: 'uint8', data: [1], dims: [1] }],
    ['no data', { type: 'uint8', dims: [1] }],
    ['an unknown type', { type: 'complex64', data: new Uint8Array(1), dims: [1] }],
    ['a symbol as type', { type: Symbol('uint8'), data: new Uint8Array(1), dims: [1] }],
    ['an object as type', { type: Object.create(null), data: new Uint8Array(1), dims: [1] }],
    ['nothing', undefined],
  ])('refuses %s', (_name, feed) => {
    expect(() => toFeeds({ x: feed as never })).toThrow(/U4001.*'x'/);
  });
});
