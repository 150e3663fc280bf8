/** The types of operators that are not understood, compared with the declarations in the standard's own test models. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openOnnx } from '../../../src/formats/onnx/index.ts';
import { Scope } from '../../../src/importers/kit/scope.ts';
import { outputTypes, typeRules } from '../../../src/importers/onnx/output_types.ts';
import { typedNode } from '../../../src/importers/onnx/typed_node.ts';
import type { AnyValue } from '../../../src/ir/define_op.ts';
import type { TensorType, ValueId } from '../../../src/ir/types.ts';
import { describeCorpus, many } from '../../support/corpus.ts';

describeCorpus('types of operators that are not understood', (root) => {
  const folders = readdirSync(join(root, 'onnx-node')).map((version) => join(root, 'onnx-node', version));
  const files = folders.flatMap((folder) =>
    readdirSync(folder)
      .map((name) => join(folder, name, 'model.onnx'))
      .filter(existsSync),
  );

  it('equal the declarations in the models of the standard, as far as the rules decide', () => {
    const seen = new Map<string, number>();
    const wrong: string[] = [];
    for (const file of files) {
      const { graph } = openOnnx(new Uint8Array(readFileSync(file)));
      const [node, ...others] = graph.nodes;
      if (node === undefined || others.length > 0) continue; // functions written out
      const operands = node.inputs.map((name): AnyValue | undefined => {
        const type = graph.inputs.find((input) => input.name === name)?.type;
        if (type?.kind !== 'tensor' || type.dtype === undefined || type.dims === undefined) return undefined;
        const shape = type.dims.map((dim) => dim ?? 'unknown');
        return { id: name as ValueId, type: { dtype: type.dtype, shape } as TensorType };
      });
      if (node.inputs.some((name, i) => name !== '' && operands[i] === undefined)) continue;
      const types = outputTypes(node.domain, node.opType, typedNode(node, operands, new Scope(new Set())));
      types?.slice(0, node.outputs.length).forEach(({ dtype, dims }, i) => {
        const declared = graph.outputs.find(({ name }) => name === node.outputs[i])?.type;
        if (declared?.kind !== 'tensor' || declared.dims === undefined) return;
        const rank = declared.dims.length;
        const fits =
          (dtype === undefined || declared.dtype === undefined || dtype === declared.dtype) &&
          (dims === undefined ||
            (dims.length === rank &&
              dims.every(
                (dim, axis) =>
                  typeof dim !== 'number' || typeof declared.dims?.[axis] !== 'number' || dim === declared.dims[axis],
              )));
        if (dims !== undefined) seen.set(node.opType, (seen.get(node.opType) ?? 0) + 1);
        if (!fits)
          wrong.push(
            `${file.slice(root.length)}: ${i}: ${dtype}[${dims}], declared ${declared.dtype}[${declared.dims}]`,
          );
      });
    }
    expect(wrong).toEqual([]);
    const standard = [...typeRules.keys()].filter((name) => !name.startsWith('com.microsoft'));
    expect(standard.filter((name) => seen.has(name)).length).toBeGreaterThanOrEqual(many(80));
  });
});
