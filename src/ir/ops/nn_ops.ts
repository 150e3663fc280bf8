/** The plain tensor operators: no zero points. */
import type { AnyOp } from '../define_op.ts';
import * as cast from './nn_cast.op.ts';
import * as conv from './nn_conv.op.ts';
import * as cumsum from './nn_cumsum.op.ts';
import * as binary from './nn_elementwise_binary.op.ts';
import * as unary from './nn_elementwise_unary.op.ts';
import * as gather from './nn_gather.op.ts';
import * as gatherNd from './nn_gather_nd.op.ts';
import * as matmul from './nn_matmul.op.ts';
import * as movement from './nn_movement.op.ts';
import * as norm from './nn_norm.op.ts';
import * as pool from './nn_pool.op.ts';
import * as range from './nn_range.op.ts';
import * as reduce from './nn_reduce.op.ts';
import * as resize from './nn_resize.op.ts';
import * as slice from './nn_slice.op.ts';
import * as softmax from './nn_softmax.op.ts';
import * as where from './nn_where.op.ts';

/** Every file of a family exports its operators and nothing else. */
const families = [
  conv,
  matmul,
  binary,
  unary,
  cast,
  pool,
  softmax,
  reduce,
  cumsum,
  norm,
  movement,
  slice,
  gather,
  gatherNd,
  range,
  where,
  resize,
];

export const nnOps: readonly AnyOp[] = families.flatMap((family) => Object.values<AnyOp>(family));
