/** Changes of ONNX models: most keep them models, so that they get past the door. */
import { onnxOps } from '../../../src/importers/onnx/op_table.ts';
import { changedNumber, type Draw, hostileIntegers, once, pick, weighted } from '../draw.ts';
import type { ChangeContext } from './kind.ts';
import { inBranches, splice } from './onnx_joins.ts';
import { drawName, type Graph, infoOf, type Model, type Node, nodesOf, tensorsOf } from './onnx_parts.ts';
import {
  attributeOf,
  changeAttribute,
  changeAttributeSlightly,
  changeTensor,
  changeTensorContents,
  elementTypes,
} from './onnx_values.ts';

type Change = (graph: Graph, draw: Draw, model: Model) => void;

export async function changeModel(model: Model, draw: Draw, { mood, other }: ChangeContext<Model>): Promise<Model> {
  if (once(draw, 20)) return splice(model, await other(), draw);
  if (once(draw, 40)) return inBranches(model, draw);
  if (mood === 'hostile' && once(draw, 15)) return changeOutside(model, draw);
  const { graph } = model;
  if (graph) weighted(draw, mood === 'gentle' ? gentle : hostile)(graph, draw, model);
  return model;
}

const inBody: Change = (body, draw) => weighted(draw, hostile.slice(1, 7))(body, draw, {});

const gentle: readonly (readonly [number, Change])[] = [
  [8, (graph, draw) => changeTensorContents(graph, draw)],
  [6, (graph, draw) => insertNode(graph, draw, true)],
  [6, (graph, draw) => changeAttributeSlightly(graph, draw)],
  [3, (graph, draw) => changeOperand(graph, draw, true)],
  [2, (graph, draw) => changeSize(graph, draw)],
  [2, (graph, draw) => addOutput(graph, draw)],
  [2, (_graph, draw, model) => changeVersion(model, draw)],
  [1, (graph, draw) => changeNodes(graph, draw)],
];

const hostile: readonly (readonly [number, Change])[] = [
  [10, (graph, draw) => changeAttribute(graph, draw, (body) => inBody(body, draw, {}))],
  [10, (graph, draw) => changeTensor(graph, draw)],
  [8, (graph, draw) => changeOperand(graph, draw, false)],
  [8, (graph, draw) => insertNode(graph, draw, false)],
  [4, (graph, draw) => changeNode(graph, draw)],
  [4, (graph, draw) => changeNodes(graph, draw)],
  [4, (graph, draw) => changeInfo(graph, draw)],
  [3, (graph, draw) => changeInterface(graph, draw)],
  [3, (_graph, draw, model) => changeAnyNumber(model, draw)],
];

// ---- nodes

/** `isGentle`: another constant of the same type, or the constant that is an input. */
function changeOperand(graph: Graph, draw: Draw, isGentle: boolean): void {
  const node = pick(draw, nodesOf(graph));
  if (node === undefined) return;
  node.input ??= [];
  const at = draw(node.input.length + 1);
  if (isGentle) {
    const typed = new Map(tensorsOf(graph).map((tensor) => [tensor.name, `${tensor.dataType} ${tensor.dims?.length}`]));
    const alike = [...typed.keys()].filter((name) => typed.get(name) === typed.get(node.input?.[at]));
    if (typed.has(node.input[at])) node.input[at] = pick(draw, alike) ?? '';
    return;
  }
  switch (draw(8)) {
    case 0:
      node.input.splice(at, 1);
      return;
    case 1:
      node.input.splice(at, 0, drawName(graph, draw));
      return;
    case 2:
      node.input[at] = '';
      return;
    case 3: {
      const to = draw(node.input.length);
      if (at < node.input.length) [node.input[at], node.input[to]] = [node.input[to], node.input[at]];
      return;
    }
    default:
      node.input[Math.max(0, at - 1)] = drawName(graph, draw);
  }
}

function changeNode(graph: Graph, draw: Draw): void {
  const node = pick(draw, nodesOf(graph));
  if (node === undefined) return;
  switch (draw(8)) {
    case 0:
      node.domain = pick(draw, ['', 'com.microsoft', 'ai.onnx', 'ai.onnx.ml', 'custom']);
      return;
    case 1:
      node.opType = pick(draw, ['', 'relu', 'NoSuchOperator', 'Loop', 'Scan', 'If', 'SequenceAt', 'Constant']);
      return;
    case 2:
      if (node.output?.length) node.output[draw(node.output.length)] = once(draw, 3) ? '' : drawName(graph, draw);
      return;
    case 3:
      (node.output ??= []).push(once(draw, 2) ? '' : `${drawName(graph, draw)}.more`);
      return;
    default: {
      const now = onnxOps.find((op) => op.name === node.opType);
      const alike = onnxOps.filter(({ inputs }) => inputs.length === now?.inputs.length);
      const to = pick(draw, once(draw, 4) || alike.length === 0 ? onnxOps : alike);
      node.opType = to.name;
      node.domain = to.domain;
    }
  }
}

function changeNodes(graph: Graph, draw: Draw): void {
  const nodes = nodesOf(graph);
  if (nodes.length === 0) return;
  const at = draw(nodes.length);
  switch (draw(4)) {
    case 0:
      nodes.splice(at, 1);
      return;
    case 1: {
      const again = { ...nodes[at], output: (nodes[at].output ?? []).map((name) => `${name}.twice`) };
      nodes.splice(at, 0, once(draw, 5) ? nodes[at] : again);
      return;
    }
    case 2: {
      const to = draw(nodes.length);
      [nodes[at], nodes[to]] = [nodes[to], nodes[at]];
      return;
    }
    default: // readers of its first output read its first input
      for (const node of nodes)
        node.input = (node.input ?? []).map((name) =>
          name === nodes[at].output?.[0] ? (nodes[at].input?.[0] ?? '') : name,
        );
  }
}

/** A node of any operator on values of the graph; readers of one of them may read its result from then on. */
function insertNode(graph: Graph, draw: Draw, isGentle: boolean): void {
  const nodes = nodesOf(graph);
  const op =
    !isGentle && once(draw, 3)
      ? pick(draw, onnxOps)
      : pick(
          draw,
          onnxOps.filter(({ inputs }) => inputs.filter(({ presence }) => presence === 'required').length === 1),
        );
  const at = draw(nodes.length + 1);
  const known = [
    ...(graph.input ?? []).map(({ name }) => name ?? ''),
    ...nodes.slice(0, at).flatMap(({ output }) => output ?? []),
  ];
  if (known.length === 0) return;
  const source = pick(draw, known);
  const scalars = tensorsOf(graph).map(({ name }) => name ?? '');
  const operands = op.inputs.flatMap(({ presence }, i) => {
    if (i === 0) return [source];
    if (presence === 'optional' && once(draw, 2)) return [''];
    return [scalars.length > 0 && once(draw, 2) ? pick(draw, scalars) : pick(draw, known)];
  });
  const name = `new${draw(1e6)}`;
  const node: Node = { opType: op.name, domain: op.domain, name, input: operands, output: [name], attribute: [] };
  for (const attribute of op.attributes)
    if (once(draw, isGentle ? 12 : 4)) node.attribute?.push(attributeOf(draw, attribute));
  const readers = nodes.slice(at).filter(({ input }) => input?.includes(source));
  if (readers.length > 0) {
    const reader = pick(draw, readers);
    reader.input = reader.input?.map((input) => (input === source ? name : input)) ?? [];
  } else (graph.output ??= []).push({ name });
  nodes.splice(at, 0, node);
}

// ---- types and interface

function changeInfo(graph: Graph, draw: Draw): void {
  const infos = [...(graph.input ?? []), ...(graph.input ?? []), ...(graph.output ?? []), ...(graph.valueInfo ?? [])];
  const info = pick(draw, infos);
  if (info === undefined) return;
  if (once(draw, 10)) info.type = pick(draw, [null, {}, { sequenceType: {} }, { tensorType: {} }]);
  const type = info.type?.tensorType;
  if (!type) return;
  if (once(draw, 4)) type.elemType = pick(draw, elementTypes);
  else if (once(draw, 8)) type.shape = null;
  else {
    const dims = ((type.shape ??= {}).dim ??= []);
    const at = draw(dims.length + 1);
    if (at === dims.length || once(draw, 8)) once(draw, 2) ? dims.push({ dimValue: 1 }) : dims.splice(at, 1);
    else if (once(draw, 3)) dims[at] = { dimParam: pick(draw, ['N', 'H', 'a b', '', '-1', 'N + 1', 'floor(N/2)']) };
    else dims[at] = { dimValue: changedNumber(draw, Number(dims[at].dimValue ?? 1), false) };
  }
}

/** A size of an input is another one, or open. */
function changeSize(graph: Graph, draw: Draw): void {
  const dims = pick(draw, graph.input ?? [])?.type?.tensorType?.shape?.dim ?? [];
  const at = draw(dims.length);
  if (dims.length > 0)
    dims[at] = once(draw, 2) ? { dimParam: pick(draw, ['N', 'H', 'M']) } : { dimValue: pick(draw, [1, 2, 3, 5, 8]) };
  for (const { type } of graph.output ?? []) if (type?.tensorType) type.tensorType.shape = null;
}

function addOutput(graph: Graph, draw: Draw): void {
  const name = pick(
    draw,
    nodesOf(graph).flatMap(({ output }) => output ?? []),
  );
  const outputs = (graph.output ??= []);
  if (name && !outputs.some((output) => output.name === name)) outputs.push({ name });
}

function changeVersion({ opsetImport }: Model, draw: Draw): void {
  const set = opsetImport?.find(({ domain }) => !domain);
  if (set) set.version = 10 + draw(15);
}

function changeInterface(graph: Graph, draw: Draw): void {
  const outputs = (graph.output ??= []);
  const inputs = (graph.input ??= []);
  switch (draw(6)) {
    case 0:
      outputs.splice(draw(outputs.length + 1), 1);
      return;
    case 1:
      outputs.push({ name: drawName(graph, draw) });
      return;
    case 2:
      inputs.splice(draw(inputs.length + 1), 1);
      return;
    case 3:
      inputs.push(infoOf(once(draw, 2) ? drawName(graph, draw) : 'unread', 1, [1, 2]));
      return;
    case 4:
      (graph.valueInfo ??= []).push(infoOf(drawName(graph, draw), pick(draw, elementTypes), [draw(9), 'N', 4]));
      return;
    default: {
      const [a, b] = [draw(outputs.length || 1), draw(outputs.length || 1)];
      if (outputs.length > 0) [outputs[a], outputs[b]] = [outputs[b], outputs[a]];
    }
  }
}

function changeOutside(model: Model, draw: Draw): Model {
  const sets = (model.opsetImport ??= []);
  const at = draw(sets.length + 1);
  switch (draw(8)) {
    case 0:
      sets.splice(at, 1);
      return model;
    case 1:
      sets.push({ domain: pick(draw, ['', 'ai.onnx', 'com.microsoft', 'custom']), version: draw(30) });
      return model;
    case 2:
      model.irVersion = pick<number>(draw, [0, 1, 3, 4, 8, 12, 99, ...hostileIntegers]);
      return model;
    case 3:
      (model.metadataProps ??= []).push({ key: pick(draw, ['', 'a', 'unskew']), value: '\u0001' });
      return model;
    default:
      if (at < sets.length) sets[at].version = once(draw, 4) ? pick<number>(draw, hostileIntegers) : 1 + draw(28);
      return model;
  }
}

/** Any number anywhere. */
function changeAnyNumber(root: object, draw: Draw): void {
  const places: [Record<string, unknown>, string][] = [];
  const walk = (value: object): void => {
    for (const [key, child] of Object.entries(value)) {
      if (typeof child === 'number') places.push([value as Record<string, unknown>, key]);
      else if (typeof child === 'object' && child !== null && !(child instanceof Uint8Array))
        if ('low' in child && 'high' in child) places.push([value as Record<string, unknown>, key]);
        else walk(child);
    }
  };
  walk(root);
  if (places.length === 0) return;
  const [owner, key] = pick(draw, places);
  owner[key] = changedNumber(draw, Number(owner[key]), false);
}
