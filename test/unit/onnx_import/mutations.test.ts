/** Whatever a model says, importing it gives a graph that verifies or a located diagnostic. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { UnskewError } from '../../../src/diagnostics/index.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { onnxOps } from '../../../src/importers/onnx/op_table.ts';
import type { DType } from '../../../src/ir/dtype.ts';
import { tensor } from '../../../src/ir/tensor.ts';
import { verify } from '../../../src/ir/verify.ts';
import { type ModelAttr, type ModelNode, writeModel } from '../../support/onnx.ts';

/** Values of all element types, ranks and kinds that operators meet. */
const inputs = [
  { name: 'x', type: 'float32', dims: ['N', 4, 6, 6] },
  { name: 'v', type: 'float32', dims: [4] },
  { name: 'm', type: 'float16', dims: [4, 6] },
  { name: 'q', type: 'uint8', dims: ['N', 4, 6, 6] },
  { name: 'i', type: 'int64', dims: [4] },
  { name: 'e', type: 'float32', dims: [0, 4] },
];
const constantTypes: readonly DType[] = ['f32', 'u8', 's8', 's32', 's64', 'bool'];
const initializers = constantTypes.flatMap((dtype) =>
  [[], [1], [4], [2, 4], [4, 4, 3, 3]].map((shape) => ({
    name: `${dtype}${shape.join('x')}`,
    tensor: tensor(
      dtype,
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i % 2),
      shape,
    ),
  })),
);

const name = fc.constantFrom('', 'a', ...inputs.map((i) => i.name), ...initializers.map((i) => i.name));
const attribute: fc.Arbitrary<ModelAttr> = fc.oneof(
  fc.constantFrom(-2, -1, 0, 1, 2, 3, 2 ** 40),
  fc.array(fc.constantFrom(-1, 0, 1, 2, 3, 4), { maxLength: 5 }),
  fc.constantFrom('SAME_UPPER', 'VALID', 'linear', 'reflect', ''),
  fc.constantFrom({ f: 0 }, { f: 0.5 }, { f: Number.NaN }, { floats: [1, 2, 0.5, 2] }, { t: tensor('f32', [1], [1]) }),
);
const operator = fc.constantFrom(...onnxOps);
const node: fc.Arbitrary<ModelNode> = operator.chain((op) =>
  fc.record({
    op: fc.constant(op.name),
    domain: fc.constant(op.domain),
    inputs: fc.array(name, { minLength: op.inputs.filter((i) => i.presence === 'required').length, maxLength: 9 }),
    outputs: fc.constant([] as string[]),
    attrs:
      op.attributes.length === 0
        ? fc.constant({})
        : fc.dictionary(fc.constantFrom(...op.attributes), attribute, { maxKeys: 3 }),
  }),
);

it('random nodes of every operator on random operands', () => {
  let imported = 0;
  const property = fc.property(
    node,
    fc.option(node, { freq: 1 }),
    fc.constantFrom(6, 9, 11, 13, 18, 21, 24),
    (first, second, opset) => {
      const nodes = [
        { ...first, outputs: ['a'], inputs: first.inputs.map((i) => (i === 'a' ? 'x' : i)) },
        { ...(second ?? { op: 'Identity', inputs: ['a'] }), outputs: ['y'] },
      ];
      const bytes = writeModel({
        nodes,
        inputs,
        initializers,
        outputs: ['a', 'y'].map((output) => ({ name: output })),
        opsets: { '': opset, 'com.microsoft': 1 },
      });
      try {
        expect(verify(importOnnx(bytes, { file: 'm.onnx' }), 'qnn')).toEqual([]);
        imported++;
      } catch (error) {
        if (!(error instanceof UnskewError)) throw error;
        expect(error.diagnostics[0].code).not.toBe('U9001');
        expect(error.diagnostics[0].location.file).toBe('m.onnx');
      }
    },
  );
  fc.assert(property, { numRuns: process.env.UNSKEW_DEEP ? 20_000 : 1500 });
  expect(imported).toBeGreaterThan(20); // the generator reaches the good cases too
});
