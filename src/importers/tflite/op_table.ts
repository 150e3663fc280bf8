/** Every operator of TensorFlow Lite that unskew understands. */
import type { TfliteOp } from './define_tflite_op.ts';
import { convolutionOps } from './ops/convolution.ts';
import { matmulOps } from './ops/matmul.ts';
import { movementOps } from './ops/movement.ts';
import { poolOps } from './ops/pool.ts';

export const tfliteOps: readonly TfliteOp[] = [...convolutionOps, ...matmulOps, ...movementOps, ...poolOps];

const byName: ReadonlyMap<string, TfliteOp> = new Map(tfliteOps.map((op) => [op.name, op]));

export const findTfliteOp = (name: string): TfliteOp | undefined => byName.get(name);
