/** The commands that prove their corrections, and their progress. */
import { afterAll, beforeEach, expect, it, vi } from 'vitest';
import { owes } from '../../../src/codegen/onednn/owes.ts';
import { checkGraphs } from '../../../src/proofs/check.ts';
import { quantizedConv, unskew, workFolder } from './support.ts';

vi.mock('../../../src/proofs/check.ts', { spy: true });
vi.mock('../../../src/codegen/onednn/owes.ts', { spy: true });

const work = workFolder();
afterAll(work.dispose);
const model = work.write('model.onnx', quantizedConv());
beforeEach(() => void vi.clearAllMocks());

const proofs = () => vi.mocked(checkGraphs).mock.calls.length + vi.mocked(owes).mock.calls.length;

it.each([[[]], [['--json']], [['--shape', 'x=2,1,4,4']]])('inspect %j proves nothing', async (options) => {
  expect((await unskew(['inspect', model, ...options])).code).toBe(0);
  expect(proofs()).toBe(0);
});

it.each([
  ['rewrite', ['-o', work.path('rewritten.onnx')]],
  ['compile', ['-o', work.path('model.unskew')]],
  ['check', []],
  ['strategies', []],
  ['explain', []],
])('%s proves, and on a terminal says how far it is', async (command, options) => {
  const { code, stderr } = await unskew([command, model, ...options], { isTTY: true });
  expect(code).toBe(0);
  expect(proofs()).toBeGreaterThan(0);
  expect(stderr).toContain('proving: 0 of 1');
  expect((await unskew([command, model, ...options])).stderr).not.toContain('proving');
});
