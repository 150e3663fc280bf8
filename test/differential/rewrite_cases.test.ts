/** Every case of the corpus legalized for `symmetric`, exported, and run on ONNX Runtime against the original. */
import { expect, it } from 'vitest';
import { legalize } from '../../src/codegen/legalize.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { describeCorpus, many } from '../support/corpus.ts';
import { hasVnni, mayLeaveInt16, SATURATES } from '../support/exact_weights.ts';
import { differenceOf, graphCases, isHeld, runOnnx } from '../unit/onnx_export/support.ts';

const strategies = ['auto', 'fold', 'border-table', 'pad', 'four-term', 'two-conv', 'f32-shift', 's32-shift'] as const;
const deep = process.env.UNSKEW_DEEP !== undefined;

describeCorpus('the corpus, rewritten and exported', () => {
  for (const strategy of deep ? strategies : (['auto', 's32-shift'] as const)) {
    it(`gives the same results, integers exactly: ${strategy}`, async ({ skip }) => {
      const wrong: string[] = [];
      let [changed, unjudged] = [0, 0];
      const isWanted = ({ id }: { id: string }) =>
        !id.startsWith('nets/') && (strategy === 'auto' || deep || /conv/i.test(id));
      for (const { id, bytes, graph, feeds } of graphCases(isWanted)) {
        if (!isHeld(graph)) continue;
        const exported = exportOnnx(legalize(graph, { target: 'symmetric', strategy }).graph);
        if (Buffer.compare(exported, bytes) === 0) continue;
        changed++;
        if (!hasVnni && [bytes, exported].some((file) => mayLeaveInt16(file, feeds))) {
          unjudged++;
          continue;
        }
        for (const mode of ['disabled', 'all'] as const) {
          const expected = await runOnnx(bytes, feeds, mode).catch(() => undefined); // not all of it is run
          const difference = expected && differenceOf(await runOnnx(exported, feeds, mode), expected, 2e-5);
          if (difference !== undefined) wrong.push(`${id} (${mode}): ${difference}`);
        }
      }
      expect(wrong).toEqual([]);
      expect(changed).toBeGreaterThanOrEqual(many(100));
      skip(unjudged > 0, `${SATURATES}: ${unjudged} of ${changed} models are not compared`);
    }, 300_000);
  }
});
