/**
 * Every operator of ONNX that is understood and every operator of the IR, each attribute and operand made hostile: a coded
 * error, or the same result compiled and interpreted. Samples in `npm test`, all of them with UNSKEW_DEEP.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { onnxOps } from '../../../src/importers/onnx/op_table.ts';
import { allOps } from '../../../src/ir/index.ts';
import { installPlatform } from '../../../src/platform/index.ts';
import { defaultSeed, isDeep } from '../../../src/testing/draws.ts';
import { examine } from './examine.ts';
import * as ir from './ir_nodes.ts';
import * as onnx from './onnx_nodes.ts';
import { sampled } from './values.ts';

/** Fixes the memory, so that refusals do not depend on the machine and a test cannot use all of it. */
const MEMORY = 2 ** 28;
installPlatform({ largestArray: 2 ** 28, memoryFor: () => 2 ** 28 });

const each = isDeep ? Number.POSITIVE_INFINITY : 1;

describe('hostile attributes and operands', () => {
  const tally = { refused: 0, ran: 0 };
  const before = process.memoryUsage().rss;

  it('of every ONNX operator', { timeout: 3_600_000 }, async () => {
    for (const op of onnxOps) {
      const baseline = onnx.baselineOf(op);
      expect(baseline, `no node of ${op.name} was found: name an operand of it in onnx_nodes.ts`).toBeDefined();
      for (const { name, bytes } of sampled(onnx.hostileCases(baseline!), each, defaultSeed()))
        tally[await named(name, () => examine(() => importOnnx(bytes(), { file: 'm.onnx' })))]++;
    }
  });

  it('of every ONNX operator, scalars', { timeout: 3_600_000 }, async () => {
    for (const op of onnxOps)
      for (const { name, bytes } of onnx.scalarCases(onnx.baselineOf(op)!))
        tally[await named(name, () => examine(() => importOnnx(bytes(), { file: 'm.onnx' })))]++;
  });

  it('of every operator of the IR', { timeout: 3_600_000 }, async () => {
    for (const op of allOps) {
      const baseline = ir.baselineOf(op);
      expect(baseline, `no node of ${op.name} was found: name an attribute of it in ir_nodes.ts`).toBeDefined();
      for (const { name, make } of sampled(ir.hostileCases(baseline!), each, defaultSeed()))
        tally[await named(name, () => examine(make))]++;
    }
  });

  afterAll(() => {
    expect(Math.min(tally.refused, tally.ran)).toBeGreaterThan(40); // both happen
    expect(process.memoryUsage().rss - before).toBeLessThan(8 * MEMORY);
  });
});

/** Says which case it was. */
async function named<T>(name: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw new Error(name, { cause: error });
  }
}
