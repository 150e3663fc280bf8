/** Every ONNX operator that unskew understands. */
import { allOps, hasOnnxForm } from '../../ir/index.ts';
import { definedByForm } from './by_form.ts';
import type { OnnxOp } from './define_onnx_op.ts';
import { attentionOps } from './ops/attention.ts';
import { bitCastOps } from './ops/bit_cast.ts';
import { bitShiftOps } from './ops/bit_shift.ts';
import { levelOps } from './ops/block_levels.ts';
import { blockOps } from './ops/blocks.ts';
import { channelBlockOps } from './ops/channel_blocks.ts';
import { convOps } from './ops/conv.ts';
import { diagonalOps } from './ops/diagonals.ts';
import { elementwiseOps } from './ops/elementwise.ts';
import { embeddingOps } from './ops/embedding.ts';
import { fourierOps } from './ops/fourier.ts';
import { fusedOps } from './ops/fused.ts';
import { groupQueryAttentionOps } from './ops/group_query_attention.ts';
import { indexedOps } from './ops/indexed.ts';
import { linearAttentionOps } from './ops/linear_attention.ts';
import { madeOps } from './ops/made.ts';
import { matmulOps } from './ops/matmul.ts';
import { movementOps } from './ops/movement.ts';
import { normalizationOps } from './ops/normalization.ts';
import { onnxAttentionOps } from './ops/onnx_attention.ts';
import { poolOps } from './ops/pool.ts';
import { qlinearOps } from './ops/qlinear.ts';
import { quantizeOps } from './ops/quantize.ts';
import { recurrentOps } from './ops/recurrent.ts';
import { reduceOps } from './ops/reduce.ts';
import { resizeOps } from './ops/resize.ts';
import { rotaryOps } from './ops/rotary.ts';
import { shapeOps } from './ops/shape.ts';
import { unaryOps } from './ops/unary.ts';
import { typeRules } from './output_types.ts';

/** Operators that the importer has to know more of than their form, if they have one. */
const own: readonly OnnxOp[] = [
  ...convOps,
  ...matmulOps,
  ...blockOps,
  ...levelOps,
  ...attentionOps,
  ...groupQueryAttentionOps,
  ...onnxAttentionOps,
  ...linearAttentionOps,
  ...rotaryOps,
  ...embeddingOps,
  ...fusedOps,
  ...channelBlockOps,
  ...fourierOps,
  ...recurrentOps,
  ...quantizeOps,
  ...qlinearOps,
  ...poolOps,
  ...elementwiseOps,
  ...unaryOps,
  ...reduceOps,
  ...normalizationOps,
  ...shapeOps,
  ...movementOps,
  ...indexedOps,
  ...diagonalOps,
  ...madeOps,
  ...bitCastOps,
  ...bitShiftOps,
  ...resizeOps,
];
const ownNames = new Set(own.map(({ domain, name }) => `${domain}:${name}`));
const forms = allOps.filter(hasOnnxForm).filter(({ onnx }) => !ownNames.has(`:${onnx.opType}`));

export const onnxOps: readonly OnnxOp[] = [...own, ...forms.map((op) => definedByForm(op))];

const byName: ReadonlyMap<string, OnnxOp> = new Map(onnxOps.map((op) => [`${op.domain}:${op.name}`, op]));

export const findOnnxOp = (domain: string, name: string): OnnxOp | undefined => byName.get(`${domain}:${name}`);

/** True when the standard or ONNX Runtime is known to have an operator of this name. */
export const isOperator = (domain: string, name: string): boolean =>
  findOnnxOp(domain, name) !== undefined || typeRules.has(domain === '' ? name : `${domain}.${name}`);
