/** Every small input that once failed is right now, or refused as it may be. `report.ts` prints the verdicts. */
import { describe, expect, test } from 'vitest';
import { hasVnni, SATURATES } from '../support/exact_weights.ts';
import { decide, stoodIn } from './decide.ts';
import { faults, faultsRoot } from './entries.ts';
import { fallingShort } from './falling_short.ts';

const root = faultsRoot();
if (root === undefined) test('faults', ({ skip }) => skip('shared/faults does not lie beside the repository'));
else
  describe('faults', () => {
    for (const fault of faults()) {
      const reason = fallingShort[fault.file];
      test(`${fault.file}: ${fault.kind}${reason ? ` (falls short: ${reason})` : ''}`, async () => {
        const { verdict, why } = await decide(root, fault);
        const isRight = verdict === 'right' || verdict === 'refused-as-right';
        // A fault that has become right leaves the list.
        expect(isRight, `${verdict}: ${why}`).toBe(reason === undefined);
      });
    }
    test('ONNX Runtime computes the expected results of files', ({ skip }) => {
      skip(!hasVnni, `${SATURATES}: the interpreter stands in for it`);
      expect([...stoodIn]).toEqual([]);
    });
    test('the list of entries that fall short names entries', () => {
      expect(Object.keys(fallingShort).filter((file) => !faults().some((fault) => fault.file === file))).toEqual([]);
    });
  });
