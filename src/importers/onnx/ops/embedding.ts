/** Embeddings of ONNX Runtime's transformer tools: words, positions and segments added up and normalized. */
import {
  nnAdd,
  nnEqual,
  nnExpand,
  nnGather,
  nnLayerNorm,
  nnReduceSum,
  qnnDequantize,
  type Value,
} from '../../../ir/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import { part } from './attention_parts.ts';

interface Tables {
  /** Rows of a table, as floats. */
  readonly rows: (name: string, pick: (table: Value) => Value) => Value;
  /** A vector, as floats. */
  readonly vector: (name: string) => Value;
}

function embedded(ctx: NodeContext, { rows, vector }: Tables, places?: Value): readonly Value[] {
  const [ids, segments] = [ctx.get('input_ids'), ctx.find('segment_ids')];
  const by = (indices: Value) => (x: Value) => ctx.emit(nnGather, { x, indices }, { axis: 0 });
  const first = (table: Value) => part(ctx, table, 0, 0, ids.type.shape[1]);
  const words = rows('word_embedding', by(ids));
  let sum = ctx.emit(nnAdd, { a: words, b: rows('position_embedding', places ? by(places) : first) });
  if (segments) sum = ctx.emit(nnAdd, { a: sum, b: rows('segment_embedding', by(segments)) });
  const epsilon = ctx.attr.float('epsilon', 1e-12);
  const scale = { scale: vector('gamma'), bias: vector('beta') };
  const y = ctx.emit(nnLayerNorm, { x: sum, ...scale }, { axis: 2, epsilon });
  return [y, ctx.wants(1) ? counted(ctx, ids) : y, sum];
}

/** The number of positions of each sentence whose mask is 1; without a mask 0. */
function counted(ctx: NodeContext, ids: Value): Value {
  const mask = ctx.find('mask');
  if (!mask) return ctx.emit(nnExpand, { x: ctx.scalar('s32', 0, 'zero') }, { shape: ids.type.shape.slice(0, 1) });
  const isOne = ctx.emit(nnEqual, { a: mask, b: ctx.scalar('s32', 1, 'one') });
  return ctx.emit(nnReduceSum, { x: ctx.cast(isOne, 's32') }, { axes: [1], keepdims: false });
}

/** Tables of bytes, of which only the rows that are read are dequantized. */
function quantizedEmbedding(ctx: NodeContext): readonly Value[] {
  const real = (x: Value, name: string) =>
    ctx.emit(qnnDequantize, { x, scale: ctx.get(`${name}_scale`), zp: ctx.get(`${name}_zero_point`) });
  const table = (name: string) => ctx.get(`${name}_quant`);
  const y = embedded(ctx, {
    rows: (name, pick) => real(pick(table(name)), name),
    vector: (name) => real(table(name), name),
  });
  return y.slice(0, 2);
}

const embedding = (ctx: NodeContext): readonly Value[] =>
  embedded(
    ctx,
    { rows: (name, pick) => pick(ctx.get(name)), vector: (name) => ctx.get(name) },
    ctx.find('position_ids'),
  );

const tables = ['word_embedding', 'position_embedding', 'segment_embedding', 'gamma', 'beta'];
const marked = (name: string) => (name.startsWith('segment') ? '?' : '');

export const embeddingOps: readonly OnnxOp[] = [
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'QEmbedLayerNormalization',
    inputs: [
      'input_ids: T1',
      'segment_ids?: T1',
      ...tables.map((name) => `${name}_quant${marked(name)}: T2`),
      'mask?: T1',
      ...tables.map((name) => `${name}_scale${marked(name)}: T`),
      ...tables.map((name) => `${name}_zero_point${marked(name)}: T2`),
    ],
    outputs: 2,
    attributes: ['epsilon'],
    import: quantizedEmbedding,
  }),
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'EmbedLayerNormalization',
    inputs: [
      'input_ids: T1',
      'segment_ids?: T1',
      ...tables.map((name) => `${name}${marked(name)}: T`),
      'mask?: T1',
      'position_ids?: T1',
    ],
    outputs: 3,
    attributes: ['epsilon', 'mask_index_type'],
    import: embedding,
  }),
];
