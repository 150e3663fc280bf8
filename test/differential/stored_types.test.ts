/** Values of types that no operator computes with go into bodies, around loops and onto stacks, whose turns may begin within a byte. */
import { expect, it } from 'vitest';
import { readCompiledFile, writeCompiledFile } from '../../src/codegen/index.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { interpret, scalar, tensor } from '../../src/ir/index.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Model } from '../../src/runtime/model.ts';
import {
  dtypes,
  type ITensor,
  packed,
  patternsOf,
  type SharedType,
  sharesBytes,
  storedTypes,
  toPublic,
} from '../../src/tensors/index.ts';
import { type ModelNode, type ModelTensor, writeModel } from '../support/onnx.ts';

const TURNS = 3;
const identity = (from: string, to: string): ModelNode => ({ op: 'Identity', inputs: [from], outputs: [to] });

for (const type of storedTypes)
  for (const flag of [0, 1])
    it(`${type}, the ${flag ? 'first' : 'second'} branch`, () => {
      const patterns = [0, 1, 2, 3, 1].map((pattern) => pattern & ((1 << dtypes[type].bits) - 1));
      const stored = (shape: readonly number[], list: readonly number[]): ITensor =>
        sharesBytes(type)
          ? packed(type, list, shape)
          : ({ dtype: type, shape, data: Uint8Array.from(list) } as ITensor);
      const value = (name: string, dims?: number[]): ModelTensor => ({ name, type: dtypes[type].onnx, dims });
      const branch = (from: string, to: string) => ({
        g: { nodes: [identity(from, to)], inputs: [], outputs: [value(to)] },
      });
      const body = {
        nodes: [identity('go', 'goes'), identity('x', 'next'), identity('chosen', 'each')],
        inputs: [
          { name: 'turn', type: 'int64', dims: [] },
          { name: 'go', type: 'bool', dims: [] },
          value('carried', [5]),
        ],
        outputs: [{ name: 'goes', type: 'bool', dims: [] }, value('next', [5]), value('each', [5])],
      };
      const bytes = writeModel({
        nodes: [
          {
            op: 'If',
            inputs: ['flag'],
            outputs: ['chosen'],
            attrs: { then_branch: branch('x', 'a'), else_branch: branch('other', 'b') },
          },
          { op: 'Loop', inputs: ['turns', '', 'other'], outputs: ['last', 'stack'], attrs: { body: { g: body } } },
        ],
        inputs: [value('x', [5]), value('other', [5]), { name: 'flag', type: 'bool', dims: [] }],
        outputs: [value('last'), value('stack')],
        initializers: [{ name: 'turns', tensor: tensor('s64', [BigInt(TURNS)], []) }],
        opsets: { '': 25 },
      });
      const feeds: Record<string, ITensor> = {
        x: stored([5], patterns),
        other: stored([5], [...patterns].reverse()),
        flag: scalar('bool', flag),
      };
      const chosen = feeds[flag ? 'x' : 'other'];
      const each = sharesBytes(type) ? [...patternsOf(chosen as ITensor<SharedType>)] : Array.from(chosen.data, Number);
      const expected = { last: feeds.x, stack: stored([TURNS, 5], Array(TURNS).fill(each).flat()) };

      const graph = importOnnx(bytes);
      expect(graph.origin?.unsupported ?? []).toEqual([]);
      expect(interpret(graph, feeds)).toEqual(expected);
      expect(interpret(importOnnx(exportOnnx(graph)), feeds)).toEqual(expected);
      const compiled = compileGraph(graph, { threads: 1 });
      for (const one of [compiled, readCompiledFile(writeCompiledFile(compiled))]) {
        const model = new Model(one, { threads: 1 });
        const results = model.runSync(Object.fromEntries(Object.entries(feeds).map(([id, t]) => [id, toPublic(t)])));
        expect(results).toEqual(Object.fromEntries(Object.entries(expected).map(([id, t]) => [id, toPublic(t)])));
        model.dispose();
      }
    });
