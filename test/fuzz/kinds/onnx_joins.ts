/** Models joined: all of one beside another, nodes in branches. */
import onnxProto from 'onnx-proto';
import { intoBranches } from '../../support/into_branches.ts';
import { type Draw, once, pick } from '../draw.ts';
import { type Model, nodesOf, tensorsOf } from './onnx_parts.ts';

const { onnx } = onnxProto;

/** All of another model beside this one; one of its inputs is a value of ours. */
export function splice(model: Model, other: Model, draw: Draw): Model {
  const [graph, theirs] = [model.graph, other.graph];
  if (!graph || !theirs) return model;
  const values = [
    ...(graph.input ?? []).map(({ name }) => name ?? ''),
    ...nodesOf(graph).flatMap(({ output }) => output ?? []),
  ];
  const given = new Set((theirs.initializer ?? []).map(({ name }) => name));
  const open = (theirs.input ?? []).filter(({ name }) => !given.has(name));
  const joined = values.length > 0 && open.length > 0 ? pick(draw, open).name : undefined;
  const source = values.length > 0 ? pick(draw, values) : '';
  const rename = (name: string | null | undefined) => (!name ? '' : name === joined ? source : `o.${name}`);
  return {
    ...model,
    opsetImport: [...(other.opsetImport ?? []).filter(({ domain }) => domain), ...(model.opsetImport ?? [])].filter(
      (set, i, all) => all.findIndex(({ domain }) => (domain ?? '') === (set.domain ?? '')) === i,
    ),
    graph: {
      ...graph,
      input: [
        ...(graph.input ?? []),
        ...open.filter(({ name }) => name !== joined).map((info) => ({ ...info, name: rename(info.name) })),
      ],
      initializer: [
        ...tensorsOf(graph),
        ...(theirs.initializer ?? []).map((tensor) => ({ ...tensor, name: rename(tensor.name) })),
      ],
      node: [
        ...nodesOf(graph),
        ...(theirs.node ?? []).map((node) => ({
          ...node,
          input: (node.input ?? []).map(rename),
          output: (node.output ?? []).map(rename),
        })),
      ],
      output: [...(graph.output ?? []), ...(theirs.output ?? []).map((info) => ({ ...info, name: rename(info.name) }))],
    },
  };
}

export function inBranches(model: Model, draw: Draw): Model {
  const nodes = model.graph?.node ?? [];
  const bytes = intoBranches(onnx.ModelProto.encode(model).finish(), draw(nodes.length + 1), once(draw, 2));
  return bytes ? (onnx.ModelProto.toObject(onnx.ModelProto.decode(bytes), { arrays: true }) as Model) : model;
}
