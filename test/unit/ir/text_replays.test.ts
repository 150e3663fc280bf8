/** The printed text of any graph reads back as the same graph. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import {
  allDTypes,
  byteLengthOf,
  constantOf,
  type DType,
  dtypes,
  type Graph,
  GraphBuilder,
  type ITensor,
  parse,
  print,
  sizeOf,
  tensorOfBytes,
  type Value,
} from '../../../src/ir/index.ts';
import { nnLeakyRelu } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnConcat, nnIdentity } from '../../../src/ir/ops/nn_movement.op.ts';
import { opaqueOp } from '../../../src/ir/ops/opaque.op.ts';
import { externalReader } from '../../../src/runtime/external_data.ts';
import { arbitraryNet } from '../../../src/testing/arbitraries/index.ts';
import { describeCorpus } from '../../support/corpus.ts';
import { contentsOf } from '../../support/same_graph.ts';

function expectReplay(graph: Graph): void {
  const again = parse(print(graph));
  expect(contentsOf(again)).toEqual(contentsOf(graph));
  expect(print(again)).toBe(print(graph));
}

/** Any JavaScript string, also with lone surrogates, and strings that look like the text around them. */
const anyString = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.array(fc.nat(0xffff), { maxLength: 8 }).map((codes) => String.fromCharCode(...codes)),
  fc
    .array(
      fc.constantFrom('\t', '\n', '\r', '\0', '\x7f', '\u2028', '"', '\\', '\ud800', '\udc00', 'a', '/', '%', '}'),
      {
        maxLength: 8,
      },
    )
    .map((parts) => parts.join('')),
  fc.constantFrom(
    'const',
    'const.1',
    'const.2',
    '//',
    '//a',
    '_',
    '1',
    '1.5',
    'inf',
    'nan',
    'true',
    'constants',
    '__proto__',
  ),
);

const anyLocation = fc.record(
  { file: anyString, node: anyString, op: anyString, input: anyString },
  { requiredKeys: [] },
);

/** Any bits of any type: payloads of NaN, −0, infinities, ends of the range, and nothing at all. */
const anyTensor: fc.Arbitrary<ITensor> = fc
  .tuple(
    fc.constantFrom(...allDTypes),
    fc.constantFrom([], [0], [1], [3], [9], [0, 4], [2, 2], [20]),
    fc.infiniteStream(fc.nat(255)),
  )
  .chain(([dtype, shape, stream]) =>
    fc.constantFrom('bits', 'ends').map((kind): ITensor => {
      const count = sizeOf(shape);
      const bytes = new Uint8Array(byteLengthOf(dtype, count));
      for (let i = 0; i < bytes.length; i++) bytes[i] = dtype === 'bool' ? i & 1 : (stream.next().value ?? 0);
      const t = tensorOfBytes(dtype, shape, bytes);
      if (kind === 'ends') t.data.set(endsOf(dtype, count) as never);
      return t;
    }),
  );

function endsOf(dtype: DType, count: number): readonly (number | bigint)[] {
  const { kind, min, max } = dtypes[dtype];
  const ends: Partial<Record<DType, readonly (number | bigint)[]>> = {
    s64: [-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n, 0n],
    u64: [2n ** 64n - 1n, 2n ** 53n + 1n, 0n],
  };
  const numbers = kind === 'float' ? [-0, Infinity, -Infinity, Number.NaN, 1e-45, max, min] : [min, max, 0];
  const all = ends[dtype] ?? numbers;
  return Array.from({ length: count }, (_, i) => all[i % all.length]);
}

describe('the printed text', () => {
  it('reads back with any names, locations, strings and numbers', () => {
    const spec = fc.record({
      names: fc.uniqueArray(anyString, { minLength: 5, maxLength: 5 }),
      loc: anyLocation,
      tensors: fc.array(anyTensor, { minLength: 1, maxLength: 4 }),
      text: anyString,
      alpha: fc.oneof(fc.double(), fc.constantFrom(-0, Number.NaN, Infinity, -Infinity, 1e21, 1e-7)),
      profile: fc.constantFrom(undefined, 'torch-onednn', 'onnx-spec'),
    });
    fc.assert(
      fc.property(spec, ({ names, loc, tensors, text, alpha, profile }) => {
        const b = new GraphBuilder(names[0]);
        const x = b.input(names[1], 'f32', ['N', 'H+1', 3]);
        b.loc = loc;
        const constants = tensors.map((t, i) => b.constant(t, `${names.join('')} ${i}`));
        const [carried] = b.emitList(
          opaqueOp,
          [x, null, ...constants],
          { operator: text, results: ['f32["N+1",2]'] },
          { names: [names[2]] },
        );
        const y = b.emit(nnLeakyRelu, { x: carried as Value<'f32'> }, { alpha }, { names: [names[3]] });
        const last = b.constant(tensors[0], names[4]);
        expectReplay({ ...b.finish([y, last, y]), symbols: { N: { min: 1, max: 7 } }, ...(profile && { profile }) });
      }),
      { numRuns: 200 },
    );
  });

  it('reads back for random networks', () => {
    fc.assert(fc.property(arbitraryNet(), expectReplay), { numRuns: 30 });
  });

  it('reads back with constants of many megabytes', () => {
    const b = new GraphBuilder();
    const bytes = new Uint8Array(24 << 20);
    for (let i = 0; i < bytes.length; i += 4097) bytes[i] = i;
    const weights = b.constant({ dtype: 'u8', shape: [bytes.length], data: bytes }, 'weights');
    const again = parse(print(b.finish([b.emit(nnIdentity, { x: weights })])));
    const read = constantOf(again, again.nodes[again.outputs[0]].operands[0]);
    expect(Buffer.compare(bytes, read?.data as Uint8Array)).toBe(0);
  });

  it('reads back with thousands of lines, strings and operands', () => {
    const b = new GraphBuilder();
    const values: Value<'f32'>[] = [b.input('x', 'f32', [1])];
    for (let i = 0; i < 5000; i++) {
      b.loc = { node: `"${i}\t` };
      values.push(b.emit(nnIdentity, { x: values[i] }));
    }
    const text = print(b.finish([b.emit(nnConcat, { xs: values }, { axis: 0 })]));
    expect(print(parse(text))).toBe(text);
    const name = '\\"\t'.repeat(20_000);
    const long = new GraphBuilder(name);
    expect(parse(print(long.finish([long.input('x', 'u8', [])]))).name).toBe(name);
  });
});

describeCorpus('models of the corpus', (root) => {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.onnx'));

  it(`read back from their text (${files.length} files)`, () => {
    expect(files.length).toBeGreaterThan(100);
    const different = files.filter((file) => {
      const path = join(root, file);
      const graph = importOnnx(readFileSync(path), { file: path, readExternal: externalReader(path) });
      const text = print(graph);
      return print(parse(text)) !== text;
    });
    expect(different).toEqual([]);
  });
});
