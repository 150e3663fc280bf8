/** Legalized for `symmetric` and exported, every model of the corpus gives the same on ONNX Runtime as before. */
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { legalize } from '../../src/codegen/legalize.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { openOnnx } from '../../src/formats/onnx/index.ts';
import type { Range } from '../../src/formats/onnx/wire.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { originOf } from '../../src/importers/onnx/origin.ts';
import { type Feeds, type Graph, type ITensor, interpret, type ValueId } from '../../src/ir/index.ts';
import type { LegalizeResult } from '../../src/passes/legalize_result.ts';
import { allCases } from '../conformance/cases.ts';
import { images } from '../conformance/mobilenet.ts';
import { describeCorpus, isWhole, many } from '../support/corpus.ts';
import { hasVnni, SATURATES } from '../support/exact_weights.ts';
import { differenceOf, runOnnx, zeroPointsOf } from '../unit/onnx_export/support.ts';

interface Rewritten {
  readonly id: string;
  readonly bytes: Uint8Array;
  readonly feeds: Feeds;
  readonly result: LegalizeResult;
  readonly exported: Uint8Array;
}

function rewritten(id: string, bytes: Uint8Array, inputs: readonly ITensor[]): Rewritten {
  const graph = importOnnx(bytes);
  const result = legalize(graph, { target: 'symmetric' });
  const metadata = { 'unskew.certificate': JSON.stringify({ verdict: result.certificate.verdict }) };
  const feeds = Object.fromEntries(graph.inputs.map((name, i) => [name, inputs[i]]));
  return { id, bytes, feeds, result, exported: exportOnnx(result.graph, { metadata }) };
}

/** Each network once, with its inputs. */
function networks(root: string): Rewritten[] {
  const cases = allCases().filter(({ kind }) => ['onnx', 'onnx-float', 'real-model'].includes(kind));
  const files = new Map(cases.map((c) => [c.file, c]));
  const all = [...files.values()].map((c) => rewritten(relative(root, c.file), c.model(), c.feeds() as ITensor[]));
  if (!isWhole) return all;
  const bytes = new Uint8Array(readFileSync(join(root, mobilenet)));
  return [...all, rewritten(mobilenet, bytes, [images(root)[0]])];
}

const mobilenet = 'real/mobilenet_quantized/mobilenet_quantized-torchexport-opset13.onnx';
const bytesAt = (bytes: Uint8Array, { at, end }: Range): string =>
  Buffer.from(bytes.subarray(at, end)).toString('base64');

/** True when a node reads a value that is fused away, through nodes that became nothing (a shape that is computed). */
function readsWhatIsGone(graph: Graph, inputs: readonly string[]): boolean {
  const { file, nodes } = originOf(graph)!;
  return inputs.some((name) => {
    const producer = file.graph.nodes.findIndex(({ outputs }) => outputs.includes(name));
    if (producer < 0) return false;
    return nodes[producer].length > 0
      ? graph.values[name as ValueId] === undefined
      : readsWhatIsGone(graph, file.graph.nodes[producer].inputs);
  });
}

describeCorpus('networks of the corpus without zero points', (root) => {
  let all: readonly Rewritten[] = [];
  beforeAll(() => {
    all = networks(root);
  }, 120_000);

  it('have none on any convolution or matrix product', () => {
    expect(all.length).toBeGreaterThanOrEqual(many(50));
    const before = all.filter(({ bytes }) => zeroPointsOf(bytes).length > 0);
    expect(before.length).toBeGreaterThanOrEqual(many(15));
    expect(all.flatMap(({ id, exported }) => zeroPointsOf(exported).map((name) => `${id}: ${name}`))).toEqual([]);
  });

  it('carry the certificate', () => {
    for (const { exported, result } of all)
      expect(JSON.parse(openOnnx(exported).metadata.get('unskew.certificate') ?? '')).toEqual({
        verdict: result.certificate.verdict,
      });
  });

  it('keep byte for byte the nodes that no pass touched, and every initializer that is still there', () => {
    let kept = 0;
    for (const { id, exported, result } of all) {
      const { file, nodes, original } = originOf(result.graph)!;
      const after = openOnnx(exported);
      const now = new Set(after.graph.nodes.map(({ range }) => bytesAt(after.bytes, range)));
      const untouched = nodes.flatMap((ids, index) =>
        ids.length > 0 && ids.every((node) => result.graph.nodes[node] === original[node]) ? [index] : [],
      );
      const lost = untouched.filter((index) => !now.has(bytesAt(file.bytes, file.graph.nodes[index].range)));
      const causeless = lost.filter((index) => !readsWhatIsGone(result.graph, file.graph.nodes[index].inputs));
      expect(causeless.map((index) => `${id}: ${file.graph.nodes[index].name}`)).toEqual([]);
      kept += untouched.length;
      for (const [name, tensor] of file.graph.initializers) {
        const same = after.graph.initializers.get(name);
        if (same) expect(bytesAt(after.bytes, same.range)).toBe(bytesAt(file.bytes, tensor.range));
      }
      expect(after.graph.inputs.map(({ range }) => bytesAt(after.bytes, range))).toEqual(
        file.graph.inputs
          .filter(({ name }) => !file.graph.initializers.has(name) || after.graph.initializers.has(name))
          .map(({ range }) => bytesAt(file.bytes, range)),
      );
      expect(after.graph.outputs.map(({ range }) => bytesAt(after.bytes, range))).toEqual(
        file.graph.outputs.map(({ range }) => bytesAt(file.bytes, range)),
      );
    }
    expect(kept).toBeGreaterThanOrEqual(many(1000));
  });

  it('of integer operators and of floats give the same bits as before on ONNX Runtime, optimized and not', async ({
    skip,
  }) => {
    skip(!hasVnni, SATURATES);
    const wrong: string[] = [];
    for (const { id, bytes, feeds, exported } of all.filter((network) => !isQdq(network))) {
      for (const level of ['all', 'disabled'] as const) {
        const difference = differenceOf(await runOnnx(exported, feeds, level), await runOnnx(bytes, feeds, level));
        if (difference !== undefined) wrong.push(`${id} (${level}): ${difference}`);
      }
    }
    expect(wrong).toEqual([]);
  }, 300_000);

  /**
   * Unoptimized, ONNX Runtime computes such a network in floats, which break ties otherwise than integers. So the correction
   * alone is compared, and the whole where ONNX Runtime groups it to integers as well. Where ONNX Runtime does not make our
   * groups, the meaning of our grouping counts. /
   */
  it('between dequantize and quantize give the integers that ONNX Runtime gives', async ({ skip }) => {
    skip(!hasVnni, SATURATES);
    const wrong: string[] = [];
    for (const { id, bytes, feeds, exported, result } of all.filter(isQdq)) {
      const uncorrected = await runOnnx(exportOnnx(result.quantized), feeds);
      const difference = differenceOf(await runOnnx(exported, feeds), uncorrected);
      if (difference !== undefined) wrong.push(`${id}, corrected: ${difference}`);
      const fused = await runOnnx(exported, feeds, 'all');
      const whole = differenceOf(fused, await runOnnx(bytes, feeds, 'all'));
      if (whole !== undefined && differenceOf(fused, interpret(result.quantized, feeds)) !== undefined)
        wrong.push(`${id}, optimized: ${whole}`);
    }
    expect(wrong).toEqual([]);
  }, 300_000);
});

const isQdq = ({ id }: Rewritten): boolean => /-qdq-|torchexport/.test(id);
