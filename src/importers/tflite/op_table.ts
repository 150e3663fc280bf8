/** Every operator of TensorFlow Lite that unskew understands. */
import type { TfliteOp } from './define_tflite_op.ts';
import { arithmeticOps } from './ops/arithmetic.ts';
import { castOps } from './ops/cast.ts';
import { comparisonOps } from './ops/comparisons.ts';
import { convolutionOps } from './ops/convolution.ts';
import { customOps } from './ops/detection.ts';
import { fakeQuantOps } from './ops/fake_quant.ts';
import { fillingOps } from './ops/filling.ts';
import { gatherOps } from './ops/gather.ts';
import { joinOps } from './ops/join.ts';
import { lstmOps } from './ops/lstm.ts';
import { matmulOps } from './ops/matmul.ts';
import { movementOps } from './ops/movement.ts';
import { normalizationOps } from './ops/normalization.ts';
import { padOps } from './ops/pad.ts';
import { pairOps } from './ops/pairs.ts';
import { poolOps } from './ops/pool.ts';
import { quantizeOps } from './ops/quantize.ts';
import { reduceOps } from './ops/reduce.ts';
import { resizeOps } from './ops/resize.ts';
import { sliceOps } from './ops/slice.ts';
import { spaceOps } from './ops/space.ts';
import { svdfOps } from './ops/svdf.ts';
import { unaryOps } from './ops/unary.ts';
import { volumeOps } from './ops/volume.ts';

export const tfliteOps: readonly TfliteOp[] = [
  ...arithmeticOps,
  ...unaryOps,
  ...pairOps,
  ...quantizeOps,
  ...fakeQuantOps,
  ...castOps,
  ...comparisonOps,
  ...convolutionOps,
  ...volumeOps,
  ...matmulOps,
  ...movementOps,
  ...joinOps,
  ...sliceOps,
  ...padOps,
  ...gatherOps,
  ...spaceOps,
  ...fillingOps,
  ...poolOps,
  ...reduceOps,
  ...normalizationOps,
  ...resizeOps,
  ...lstmOps,
  ...svdfOps,
];

const byName = (ops: readonly TfliteOp[]): ReadonlyMap<string, TfliteOp> => new Map(ops.map((op) => [op.name, op]));
const builtin = byName(tfliteOps);
const custom = byName(customOps);

export const findTfliteOp = (name: string, isCustom: boolean): TfliteOp | undefined =>
  (isCustom ? custom : builtin).get(name);
