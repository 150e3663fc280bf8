/** Which nodes primitives and kernels compute. */
import {
  type AttrSpecs,
  type Graph,
  isDType,
  isOp,
  isStatic,
  type Node,
  nnConcat,
  opOf,
  sizeOf,
  typeOf,
} from '../../ir/index.ts';
import { countedType, withoutRoom } from './counted.ts';
import { GraphView, isLowered, refusalOf } from './lower/index.ts';

/** Why a node cannot be recorded, undefined when it can. Sizes are known. */
export function whyNotRecorded(node: Node, graph: Graph): string | undefined {
  const view = new GraphView(graph);
  if (!isLowered(node)) return 'no primitive or kernel computes it';
  const counted = countedType(node, graph);
  for (const id of [...node.operands, ...node.results]) {
    if (id === null) continue;
    const { dtype, shape } = (node.results.includes(id) && counted) || typeOf(graph, id);
    if (!isStatic(shape)) return 'a shape depends on run-time values';
    // a concatenation leaves empty operands out: a cache begins as one
    const isLeftOut = isOp(node, nnConcat) && !node.results.includes(id);
    if (sizeOf(shape) === 0 && !isLeftOut) return 'an empty tensor';
    if (shape.length > 6 || !isDType(dtype)) return `the type ${dtype} of rank ${shape.length}`;
  }
  return (counted ? withoutRoom(counted) : beyondNative(node, view)) ?? refusalOf(node, view);
}

/** Primitives and kernels take sizes and steps of 32 bits, and windows over one to three axes. */
const NATIVE_MOST = 2 ** 31 - 1;
const NATIVE_AXES = 3;
const isNumber = (value: unknown): value is number => typeof value === 'number';

function beyondNative(node: Node, view: GraphView): string | undefined {
  const specs: AttrSpecs = opOf(node).attrs;
  for (const [name, value] of Object.entries(node.attrs)) {
    const { kind } = specs[name];
    if (kind !== 'int' && kind !== 'ints') continue;
    const far = [value].flat().find((item) => isNumber(item) && (item > NATIVE_MOST || item < -NATIVE_MOST - 1));
    if (far !== undefined) return `${name} of ${far}, which has more than 32 bits`;
  }
  for (const id of [...node.operands, ...node.results]) {
    const far = id !== null && view.shape(id).find((size) => isNumber(size) && size > NATIVE_MOST);
    if (far) return `an axis of ${far}, which has more than 32 bits`;
  }
  const axes = Array.isArray(node.attrs.dilations) ? node.attrs.dilations.length : 0;
  return axes > NATIVE_AXES ? `a window over ${axes} axes` : undefined;
}
