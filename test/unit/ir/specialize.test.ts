/** Symbols bound to sizes: types are inferred anew, and types of carried operators are bound with them. */
import { expect, it } from 'vitest';
import { parse, print, specialize, verify } from '../../../src/ir/index.ts';

const symbolic = parse(`graph @main(%x: f32[N,3]) -> (%y) {
  %carried = opaque(%x) {operator="Mystery", results=["f32[N,3]"]} : f32[N,3]
  %y = nn.relu(%carried) : f32[N,3]
}
`);

it('binds the types that an operator of the source format was carried with', () => {
  const bound = specialize(symbolic, new Map([['N', 2]]));
  expect(verify(bound)).toEqual([]);
  expect(print(bound)).toContain('%carried = opaque(%x) {operator="Mystery", results=["f32[2,3]"]} : f32[2,3]');
});

it('leaves attributes alone that name no symbol', () => {
  const bound = specialize(symbolic, new Map([['M', 2]]));
  expect(Object.values(bound.nodes).map((node, i) => node === Object.values(symbolic.nodes)[i])).toEqual([true, true]);
});
