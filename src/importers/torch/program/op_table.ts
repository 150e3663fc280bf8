/** Every operator of torch.export that is understood. */
import type { ExportOp } from './define_export_op.ts';
import { activationOps } from './ops/activation.ts';
import { affineOps } from './ops/affine.ts';
import { convOps } from './ops/conv.ts';
import { createOps } from './ops/create.ts';
import { decomposedOps } from './ops/decomposed.ts';
import { elementwiseOps } from './ops/elementwise.ts';
import { matmulOps } from './ops/matmul.ts';
import { movementOps } from './ops/movement.ts';
import { normalizationOps } from './ops/normalization.ts';
import { perTokenOps } from './ops/per_token.ts';
import { poolOps } from './ops/pool.ts';
import { reduceOps } from './ops/reduce.ts';
import { resizeOps } from './ops/resize.ts';
import { shapeOps } from './ops/shape.ts';

export const exportOps: readonly ExportOp[] = [
  ...decomposedOps,
  ...perTokenOps,
  ...affineOps,
  ...convOps,
  ...matmulOps,
  ...poolOps,
  ...activationOps,
  ...elementwiseOps,
  ...reduceOps,
  ...normalizationOps,
  ...shapeOps,
  ...movementOps,
  ...createOps,
  ...resizeOps,
];

const byTarget: ReadonlyMap<string, ExportOp> = new Map(exportOps.map((op) => [op.target, op]));

export const findExportOp = (target: string): ExportOp | undefined => byTarget.get(target);
