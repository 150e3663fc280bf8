/** Every operator, by name. Whatever has to treat all of them derives from this table. */
import type { AnyOp } from './define_op.ts';
import { dnnlOps } from './ops/dnnl_ops.ts';
import { nnOps } from './ops/nn_ops.ts';
import { opaqueOp } from './ops/opaque.op.ts';
import { qnnOps } from './ops/qnn_ops.ts';

export const allOps: readonly AnyOp[] = [...qnnOps, ...nnOps, ...dnnlOps, opaqueOp];

const byName: ReadonlyMap<string, AnyOp> = new Map(allOps.map((op) => [op.name, op]));

/** The declaration of that name, undefined for a name nobody declared. */
export const findOp = (name: string): AnyOp | undefined => byName.get(name);
