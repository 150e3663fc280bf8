/**
 * Puts rewritten bodies of control flow, each a graph of its own, back into their nodes. The body still sees the graphs
 * around it: nodes of its graph that came from there are left out, since the outer value is the same.
 */
import { assert } from '../../diagnostics/index.ts';
import type { KeptNode, NodeInit } from '../../formats/onnx/index.ts';
import {
  Context,
  type Encoded,
  eachField,
  type OnnxGraph,
  type OnnxNode,
  openOnnx,
  Source,
  schema,
} from '../../formats/onnx/index.ts';
import {
  bodiesOf,
  capturedIn,
  isBodyAsImported,
  type OnnxBody,
  type OnnxOrigin,
  originOf,
} from '../../importers/index.ts';
import type { Graph } from '../../ir/index.ts';

/** The new bodies of a node. */
export interface NewBodies {
  /** The new bodies by the offset of the old ones in the file. */
  readonly bodies: ReadonlyMap<number, Encoded>;
  /** The names that all bodies of the node read now. */
  readonly captured: readonly string[];
}

/** The graph of a body without its context. */
export interface WrittenBody {
  readonly graph: OnnxGraph;
  readonly encoded: Encoded;
}

/** The new bodies by node; `write` rewrites the model that a body was made from. */
export function newBodies(
  origin: OnnxOrigin,
  write: (graph: Graph, origin: OnnxOrigin, context: ReadonlySet<string>) => WrittenBody,
): ReadonlyMap<number, NewBodies> {
  const found = new Map<number, NewBodies>();
  const nodes = new Set(origin.bodies.filter((body) => !isBodyAsImported(body)).map(({ node }) => node));
  for (const index of nodes) {
    const written = new Map(
      origin.bodies
        .filter((body) => body.node === index && !isBodyAsImported(body))
        .map((body) => [body.body.range.at, write(body.graph, originOfBody(body), body.context)]),
    );
    const captured = bodiesOf(origin.file.graph.nodes[index]).flatMap((body) =>
      capturedIn(written.get(body.range.at)?.graph ?? body),
    );
    found.set(index, {
      bodies: new Map([...written].map(([at, { encoded }]) => [at, encoded])),
      captured: [...new Set(captured)],
    });
  }
  return found;
}

function originOfBody({ graph, within }: OnnxBody): OnnxOrigin {
  const origin = originOf(graph);
  assert(origin, `a body of '${within}' did not come from a file`);
  return origin;
}

/** The names that a body can see around it. */
export interface Around {
  /** All outer names. */
  readonly outer: ReadonlySet<string>;
  /** The names that the graph of the body has as well. */
  readonly context: ReadonlySet<string>;
}
export const nothingAround: Around = { outer: new Set(), context: new Set() };

/**
 * The nodes of a body, in their order, after a part of its context changed. Recomputed values have other names than
 * outside, and so do the results of context nodes that stay and read them; otherwise the body would read the outer
 * values.
 */
export function renewed(
  nodes: readonly (KeptNode | NodeInit)[],
  { file }: OnnxOrigin,
  names: ReadonlyMap<string, string>,
  { outer, context }: Around,
): readonly (KeptNode | NodeInit)[] {
  if (context.size === 0) return nodes;
  const taken = new Set([...outer, ...names.values(), ...file.graph.nodes.flatMap(namesInside)]);
  for (const { outputs = [] } of nodes) for (const name of outputs) taken.add(name);
  const fresh = (name: string): string => {
    let other = name;
    for (let n = 1; taken.has(other); n++) other = `${name}.${n}`;
    taken.add(other);
    return other;
  };
  const renames = new Map([...names].filter(([name, now]) => context.has(name) && name !== now));
  return nodes.map((item) => {
    const old = 'keep' in item ? file.graph.nodes[item.keep] : item;
    const before = item.inputs ?? old.inputs;
    const inputs = before.map((name) => renames.get(name) ?? name);
    if (inputs.every((name, i) => name === before[i])) return item;
    if (!('keep' in item) || !old.outputs.some((name) => context.has(name))) return { ...item, inputs };
    const outputs = old.outputs.map((name) => (name === '' ? name : fresh(name)));
    old.outputs.forEach((name, i) => {
      if (name !== '') renames.set(name, outputs[i]);
    });
    return { ...item, inputs, outputs };
  });
}

/** The names that a node defines, in its bodies too. */
const namesInside = (node: OnnxNode): string[] => [
  ...node.outputs,
  ...bodiesOf(node).flatMap(({ nodes, inputs, initializers }) => [
    ...inputs.map(({ name }) => name),
    ...initializers.keys(),
    ...nodes.flatMap(namesInside),
  ]),
];

const numbers = schema.graphProto.fields;

/** The graph of a model without the nodes, initializers and inputs of the given names. */
export function withoutContext(bytes: Uint8Array, context: ReadonlySet<string>): WrittenBody {
  const { graph } = openOnnx(bytes);
  const isOuter = ({ outputs }: { readonly outputs: readonly string[] }): boolean =>
    outputs.some((name) => context.has(name));
  const names = [...graph.initializers.keys()];
  const seen = { node: 0, initializer: 0, input: 0 };
  const pieces: Uint8Array[] = [];
  eachField(Context.of(new Source(bytes, undefined, undefined)), graph.range, (number, { at, end }) => {
    if (number === numbers.node[0] && isOuter(graph.nodes[seen.node++])) return;
    if (number === numbers.initializer[0] && context.has(names[seen.initializer++])) return;
    if (number === numbers.input[0] && context.has(graph.inputs[seen.input++].name)) return;
    pieces.push(bytes.subarray(at, end));
  });
  return {
    graph: {
      ...graph,
      nodes: graph.nodes.filter((node) => !isOuter(node)),
      inputs: graph.inputs.filter(({ name }) => !context.has(name)),
      initializers: new Map([...graph.initializers].filter(([name]) => !context.has(name))),
    },
    encoded: pieces,
  };
}
