/** Quantized operators of two tensors that broadcast, with kernels of ours. */
import {
  type ByteType,
  evaluateNode,
  type ITensor,
  isByteType,
  type Node,
  type qnnAdd,
  type qnnMul,
  type qnnPairLut,
  sizeOf,
  tensor,
  tensorOfBytes,
  type ValueId,
} from '../../../ir/index.ts';
import { qlinearAddSwaps } from '../../../numerics/index.ts';
import { inMemoryOrder } from '../layout.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import { broadcastStrides, operandLayout } from './broadcast.ts';
import { byteKernel } from './byte_binary.ts';
import type { Lowering } from './lowering.ts';

/** Two operands and their result as a kernel walks them: all in one layout, where one of them has the shape of the result. */
export function strided(r: Recorder, [p, q]: readonly [ValueId, ValueId], y: ValueId) {
  const shape = r.shape(y);
  const whole = [p, q].find((id) => sizeOf(r.shape(id)) === sizeOf(shape) && r.shape(id).length === shape.length);
  const layout = whole === undefined ? 'row-major' : r.preferredLayout(whole);
  return {
    layout,
    strides: {
      shape: inMemoryOrder(layout, shape),
      sourceStrides: broadcastStrides(r.shape(p), shape, layout),
      source1Strides: broadcastStrides(r.shape(q), shape, layout),
    },
    operands: {
      source: r.use(p, operandLayout(r, p, shape, layout)),
      source1: r.use(q, operandLayout(r, q, shape, layout)),
    },
  };
}

function byTable(r: Recorder, pair: readonly [ValueId, ValueId], y: ValueId, table: Buffer): void {
  const { layout, strides, operands } = strided(r, pair, y);
  r.kernel({ name: 'binary-table', ...strides }, { ...operands, table, destination: r.define(y, layout) });
}

const binary = (name: 'qlinear-add' | 'qlinear-mul'): Lowering<typeof qnnAdd | typeof qnnMul> => ({
  refuses: ({ sa, za, sb, zb, sy, zy }, graph) => graph.needsConstants(sa, za, sb, zb, sy, zy),
  lower({ a, sa, za, b, sb, zb, sy, zy, y, attrs, node }, r) {
    const left = { id: a, scale: r.scalar(sa), zero: r.scalar(za) };
    const right = { id: b, scale: r.scalar(sb), zero: r.scalar(zb) };
    const result = { scale: r.scalar(sy), zero: r.scalar(zy) };
    const type = r.byteType(y);
    const own = byteKernel(name, attrs.recipe, {
      dtype: type,
      scaleA: left.scale,
      zeroPointA: left.zero,
      scaleB: right.scale,
      zeroPointB: right.zero,
      scaleC: result.scale,
      zeroPointC: result.zero,
    });
    if (own) {
      const { layout, strides, operands } = strided(r, [a, b], y);
      r.kernel({ ...own, type, ...strides }, { ...operands, destination: r.define(y, layout) });
      return;
    }
    if (attrs.recipe !== 'ort') {
      byTable(r, [a, b], y, r.data(tableOfPairs(node, type, [left, right, result])));
      return;
    }
    const swapped = name === 'qlinear-add' && qlinearAddSwaps(r.shape(a), r.shape(b));
    const [p, q] = swapped ? [right, left] : [left, right];
    const { layout, strides, operands } = strided(r, [p.id, q.id], y);
    r.kernel(
      {
        name,
        sourceType: r.byteType(p.id),
        source1Type: r.byteType(q.id),
        type,
        ...strides,
        scales: [p.scale, q.scale, result.scale],
        zeroPoints: [p.zero, q.zero, result.zero],
      },
      { ...operands, destination: r.define(y, layout) },
    );
  },
});

type Quantization = { readonly scale: number; readonly zero: number };

/** The operator's own meaning on all pairs of bytes: element a·256 + b, both as unsigned bytes. */
function tableOfPairs(node: Node, dtype: ByteType, [a, b, y]: readonly Quantization[]): ITensor {
  const pairs = 65536;
  const operand = (of: (i: number) => number) => {
    const data = Uint8Array.from({ length: pairs }, (_, i) => of(i));
    return tensorOfBytes(dtype, [pairs], data);
  };
  const parameters = ({ scale, zero }: Quantization) => [tensor('f32', [scale], []), tensor(dtype, [zero], [])];
  const operands = [
    operand((i) => i >> 8),
    ...parameters(a),
    operand((i) => i & 255),
    ...parameters(b),
    ...parameters(y),
  ];
  return evaluateNode(node, operands)[0];
}

export const add = binary('qlinear-add');
export const multiply = binary('qlinear-mul');

export const pairLut: Lowering<typeof qnnPairLut> = {
  refuses({ table, y }, graph) {
    const dtype = graph.dtype(y);
    return isByteType(dtype) ? graph.needsConstants(table) : `it writes ${dtype}`;
  },
  lower: ({ a, b, table, y }, r) => byTable(r, [a, b], y, r.use(table, 'row-major')),
};
