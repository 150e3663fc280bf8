import { expect, it } from 'vitest';
import { shapes } from '../../bench/scaling/shapes.ts';
import { formatTable } from '../../src/cli/table.ts';
import { legalize } from '../../src/codegen/legalize.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type Graph, nodesOf, parse, print, verify } from '../../src/ir/index.ts';
import { broadcastShape } from '../../src/ir/ops/broadcast.ts';

/** More than a call takes as arguments: spreading such a list into a call overflows the stack. */
const MANY = 200_000;

const concat = (graph: Graph) => nodesOf(graph).find(({ op }) => op === 'nn.concat')!;

it('a Concat of many operands goes all the way: import, rewrite, ONNX, text', () => {
  const graph = importOnnx(shapes['one Concat'](MANY / 2));
  expect(concat(graph).operands).toHaveLength(MANY);
  const rewritten = legalize(graph, { target: 'symmetric' }).graph;
  expect(concat(importOnnx(exportOnnx(rewritten))).operands).toEqual(concat(graph).operands);
  expect(verify(parse(print(rewritten)))).toEqual([]);
}, 60_000);

it('many shapes broadcast to one', () => {
  const refuse = (): never => expect.unreachable();
  expect(broadcastShape(Array(MANY).fill([1, 4]), refuse)).toEqual([1, 4]);
});

it('a long chain is written and read', () => {
  const graph = importOnnx(shapes['elementwise chain'](10_000));
  expect(print(parse(print(graph)))).toBe(print(graph));
  expect(nodesOf(importOnnx(exportOnnx(graph)))).toHaveLength(nodesOf(graph).length);
}, 60_000);

it('a table has any number of rows', () => {
  const rows = Array.from({ length: MANY }, (_, i) => [i]);
  expect(formatTable(['row'], rows).split('\n')).toHaveLength(MANY + 2);
});
