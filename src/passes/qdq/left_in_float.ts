/**
 * Finds the groups that ONNX Runtime (CPU on x86, default options) computes in float: at ties its integers may differ
 * from the integer recipe, which is the standard's reading of the group and ours everywhere. Measured over every
 * operator and all types in test/differential/onnxruntime_groups.test.ts.
 */
import {
  byOp,
  constantOf,
  consumersOf,
  dtypes,
  type Graph,
  isByteType,
  isOp,
  isPlainProduct,
  type Node,
  nnAdd,
  nnClip,
  nnGather,
  nnIdentity,
  nnMatmul,
  nnMaxPool,
  nnRelu,
  nnReshape,
  nnSlice,
  nnTranspose,
  nodesOf,
  once,
  oneOf,
  producersOf,
  qnnDequantize,
  qnnQuantize,
  type ValueId,
  type View,
  view,
  viewOf,
} from '../../ir/index.ts';

type Types = { readonly x: string; readonly w?: string; readonly y: string };

/** The quantized kernels of ONNX Runtime by operator: the types that each takes, and its requirement in words. */
const kernels = {
  conv: { takes: ({ x, y }) => x === 'u8' && y === 'u8', needs: 'a convolution of u8 to u8' },
  convTranspose: { takes: () => false, needs: 'no transposed convolution' },
  matmul: { takes: ({ x, y }) => x === 'u8' && y === 'u8', needs: 'a MatMul of u8 to u8' },
  gemm: {
    takes: ({ x, w, y }) => x === y && (x === 'u8' || w === 's8'),
    needs: 'a Gemm of one type, and of s8 with weights of s8',
  },
  binary: { takes: ({ x, w, y }) => x === y && w === y, needs: 'operands and result of one type' },
  unary: { takes: ({ x, y }) => x === y, needs: 'operand and result of one type' },
  mean: { takes: () => false, needs: 'no ReduceMean' },
} satisfies Readonly<Record<string, { readonly takes: (types: Types) => boolean; readonly needs: string }>>;
type Kernel = keyof typeof kernels;

const kernelOf = byOp<Kernel>({
  nnConv: 'conv',
  nnConvTranspose: 'convTranspose',
  nnMatmul: 'matmul',
  nnAdd: 'binary',
  nnMul: 'binary',
  nnAveragePool: 'unary',
  nnGlobalAveragePool: 'unary',
  nnSoftmax: 'unary',
  nnReduceMean: 'mean',
});

/** Operators that may stand in between: they move elements, and ONNX Runtime moves the dequantize behind them. */
const isMover = oneOf(nnIdentity, nnReshape, nnTranspose, nnMaxPool, nnSlice, nnGather);

/**
 * The type that ONNX Runtime gives an activation. An s8 activation that is quantized, has one reader behind its
 * dequantize and is not an output becomes u8, its zero point 128 higher. One that is read twice (a residual) stays s8,
 * and everything around it is left in float.
 */
function seenAs(graph: Graph, producers: Producers, id: ValueId): string {
  const { dtype } = graph.values[id].type;
  const quantize = view(qnnQuantize, producers.get(id));
  if (dtype !== 's8' || !quantize?.zp || graph.outputs.includes(id)) return dtype;
  const readers = readersOf(graph, id);
  const isPair = readers.length > 0 && readers.every(({ op }) => op === qnnDequantize.name);
  const uses = readers.flatMap(({ results: [x] }) => [
    ...readersOf(graph, x),
    ...(graph.outputs.includes(x) ? [x] : []),
  ]);
  return isPair && uses.length <= 1 ? 'u8' : dtype;
}

const readersOf = (graph: Graph, id: ValueId): readonly Node[] => consumersOf(graph).get(id) ?? [];

/** The reasons why groups stay float in ONNX Runtime, by their quantized value. `graph` as it was imported. */
export const leftInFloat = once((graph): ReadonlyMap<ValueId, string> => {
  const producers = producersOf(graph);
  const found = new Map<ValueId, string>();
  for (const node of nodesOf(graph)) {
    const quantize = view(qnnQuantize, node);
    if (quantize === undefined) continue;
    const why = reasonAt(graph, producers, quantize);
    if (why !== undefined) found.set(quantize.y, why);
  }
  return found;
});

type Producers = ReadonlyMap<ValueId, Node>;
type Quantize = View<typeof qnnQuantize>;

function reasonAt(graph: Graph, producers: Producers, quantize: Quantize): string | undefined {
  const y = seenAs(graph, producers, quantize.y);
  if (!isByteType(y)) return undefined;
  let clamp: string | undefined;
  let node = producers.get(quantize.x);
  for (; isOp(node, nnRelu, nnClip); node = producers.get(viewOf<typeof nnRelu | typeof nnClip>(node).x))
    if (!isImplied(graph, node, quantize)) clamp ??= isOp(node, nnRelu) ? 'Relu' : 'Clip';
  if (node === undefined) return undefined;
  const group = groupOf(graph, producers, node);
  if (group === undefined) return undefined;
  const { takes, needs } = kernels[group.kernel];
  if (clamp) return `${clamp} stays in front of the quantize`;
  if (takes({ x: group.x, y, ...(group.w && { w: group.w }) })) return undefined;
  const given = [group.x, ...(group.w ? [group.w] : [])].join(', ');
  return `it has ${needs.startsWith('no ') ? needs : `kernels for ${needs}`}${needs.startsWith('no ') ? '' : `, this is ${given} to ${y}`}`;
}

interface Group {
  readonly kernel: keyof typeof kernels;
  readonly x: string;
  readonly w?: string;
}

/** The operator in front of a quantize with the types that its operands are dequantized from; undefined: another kind. */
function groupOf(graph: Graph, producers: Producers, node: Node): Group | undefined {
  const kernel = kernelOf(node);
  if (kernel === undefined) return undefined;
  const typeOf = (id: ValueId | null | undefined): string | undefined => {
    let at = id ? producers.get(id) : undefined;
    while (at && isMover(at)) at = at.operands[0] ? producers.get(at.operands[0]) : undefined;
    const source = view(qnnDequantize, at);
    const dtype = source && seenAs(graph, producers, source.x);
    return dtype && isByteType(dtype) ? dtype : undefined;
  };
  const [first, second] = node.operands;
  const product = isOp(node, nnAdd) ? addedTo(producers, node) : undefined;
  if (product) {
    const group = groupOf(graph, producers, product);
    if (!isOp(product, nnMatmul)) return group;
    // a matrix product with a bias is a Gemm, of any types; with more dimensions, one between reshapes
    return graph.values[product.results[0]].type.shape.length > 2 ? undefined : group && { ...group, kernel: 'gemm' };
  }
  const [x, w] = [typeOf(first), typeOf(second)];
  const takesTwo = kernel !== 'unary' && kernel !== 'mean';
  if (x === undefined || (takesTwo && w === undefined)) return undefined;
  return {
    kernel: isOp(node, nnMatmul) && node.loc.op === 'Gemm' ? 'gemm' : kernel,
    x,
    ...(takesTwo && w ? { w } : {}),
  };
}

/** The product that a bias is added to. */
function addedTo(producers: Producers, { operands }: Node): Node | undefined {
  for (const id of operands) {
    const node = id ? producers.get(id) : undefined;
    if (node && isPlainProduct(node)) return node;
  }
  return undefined;
}

/** True when the quantize clamps as much by itself: then ONNX Runtime drops the clamp. */
function isImplied(graph: Graph, clamp: Node, quantize: Quantize): boolean {
  const [scale, zp] = [quantize.scale, quantize.zp].map((id) => constantOf(graph, id)?.data[0]);
  if (scale === undefined || (quantize.zp && zp === undefined)) return false;
  const { min, max } = dtypes[quantize.attrs.dtype];
  const [s, z] = [Number(scale), Number(zp ?? 0)];
  if (!isOp(clamp, nnClip)) return z === min;
  return clamp.attrs.min <= (min - z) * s && clamp.attrs.max >= (max - z) * s;
}
