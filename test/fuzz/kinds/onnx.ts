/** ONNX models, taken apart and put together by onnx-proto, apart from the importer. */
import onnxProto from 'onnx-proto';
import { examineModel } from '../examine_model.ts';
import { corpusFiles, drawnModels, ownModels } from '../own_seeds.ts';
import { defineKind } from './kind.ts';
import { changeModel } from './onnx_changes.ts';
import type { Model } from './onnx_parts.ts';

const { onnx } = onnxProto;

/** Larger files take so long that few cases are seen. */
const MOST_BYTES = 60_000;

export const onnxKind = defineKind<Model>({
  name: 'onnx',
  seeds: async (own) => [...(await ownModels()), ...drawnModels(), ...corpusFiles(/\.onnx$/, MOST_BYTES, own)],
  open: (bytes) => onnx.ModelProto.toObject(onnx.ModelProto.decode(bytes), { arrays: true }) as Model,
  change: changeModel,
  write: (model) => onnx.ModelProto.encode(model).finish(),
  *smaller(model) {
    const lists = ['node', 'output', 'input', 'initializer', 'valueInfo'] as const;
    for (const list of lists)
      for (const at of (model.graph?.[list] ?? []).keys())
        yield { ...model, graph: { ...model.graph, [list]: (model.graph?.[list] ?? []).filter((_, i) => i !== at) } };
    for (const [at, node] of (model.graph?.node ?? []).entries())
      for (const i of (node.attribute ?? []).keys()) {
        const fewer = { ...node, attribute: (node.attribute ?? []).filter((_, j) => j !== i) };
        yield {
          ...model,
          graph: { ...model.graph, node: model.graph?.node?.map((n, j) => (j === at ? fewer : n)) ?? [] },
        };
      }
  },
  examine: (bytes, examination) =>
    examineModel(bytes, examination, { peer: process.env.UNSKEW_FUZZ_PEER !== undefined }),
});
