/** Operators that move elements, on tensors held channels last and channels first, against plain loops. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { random } from '../fuzz/draw.ts';
import { draws } from '../support/draws.ts';
import { drawnMoves } from './drawn_moves.ts';
import { drawnParts } from './drawn_parts.ts';
import { answerOf } from './layout_law.ts';

/** Operators that work in either layout, whatever their axes: transpositions are those of the ends of the model. */
const inPlace: readonly string[] = [
  ...['CONCATENATION', 'SPLIT', 'SPLIT_V', 'SLICE', 'TILE', 'REVERSE_V2', 'PAD', 'MIRROR_PAD'],
  ...['SPACE_TO_DEPTH', 'DEPTH_TO_SPACE'],
];

describe('operators that move elements', () => {
  for (const [name, draw] of Object.entries({ ...drawnMoves, ...drawnParts }))
    it(`${name} is the same on channels first and on channels last`, () => {
      fc.assert(
        fc.property(fc.nat(), (seed) => {
          const { test, expected } = draw(random(seed));
          expect(answerOf(test, 'last').results).toEqual(expected);
          const { results, moves } = answerOf(test, 'first');
          expect(results).toEqual(expected);
          if (inPlace.includes(name)) expect(moves).toBeLessThanOrEqual(test.operands.length + expected.length);
        }),
        draws(20),
      );
    });
});
