/** A model whose nodes from some place on are in both branches of an If, once more in the other one under other names. */
import onnxProto from 'onnx-proto';

const { onnx } = onnxProto;

/**
 * `cut`: the index of the first node inside; `inner`: true when constants that only the inner nodes read are inside too. Needs
 * an opset for If.
 */
export function intoBranches(bytes: Uint8Array, cut: number, inner: boolean): Uint8Array | undefined {
  const model = onnx.ModelProto.decode(bytes);
  const { node: nodes = [], initializer = [], input = [], output = [] } = model.graph ?? {};
  const graph = { node: nodes ?? [], initializer: initializer ?? [], input: input ?? [], output: output ?? [] };
  const outside = graph.node.slice(0, cut);
  const inside = graph.node.slice(cut);
  const made = new Set(inside.flatMap((node) => node.output ?? []));
  const results = graph.output.filter(({ name }) => made.has(name ?? ''));
  if (results.length === 0) return undefined;
  const readOutside = new Set([
    ...outside.flatMap((node) => node.input ?? []),
    ...graph.output.map(({ name }) => name ?? ''),
  ]);
  const constants = inner ? graph.initializer.filter(({ name }) => !readOutside.has(name ?? '')) : [];
  const own = new Set([...made, ...constants.map(({ name }) => name ?? '')]);
  const branch = (suffix: string) => {
    const rename = (name: string) => (own.has(name) ? name + suffix : name);
    return {
      name: `branch${suffix}`,
      node: inside.map((node) => ({
        ...node,
        input: (node.input ?? []).map(rename),
        output: (node.output ?? []).map(rename),
      })),
      initializer: constants.map((tensor) => ({ ...tensor, name: rename(tensor.name ?? '') })),
      output: results.map((info) => ({ ...info, name: rename(info.name ?? '') })),
    };
  };
  const { GRAPH } = onnx.AttributeProto.AttributeType;
  const choice = {
    opType: 'If',
    name: 'branches',
    input: ['condition'],
    output: results.map(({ name }) => name ?? ''),
    attribute: [
      { name: 'then_branch', type: GRAPH, g: branch('.then') },
      { name: 'else_branch', type: GRAPH, g: branch('.else') },
    ],
  };
  const condition = {
    name: 'condition',
    type: { tensorType: { elemType: onnx.TensorProto.DataType.BOOL, shape: {} } },
  };
  return onnx.ModelProto.encode({
    ...model,
    graph: {
      ...model.graph,
      node: [...outside, choice],
      input: [...graph.input, condition],
      initializer: graph.initializer.filter((tensor) => !constants.includes(tensor)),
    },
  }).finish();
}
