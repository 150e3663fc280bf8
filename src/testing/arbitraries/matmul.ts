/** Matrix products: vectors, matrices, broadcast batches, zero points by rows and columns. */
import * as fc from 'fast-check';
import { type Graph, GraphBuilder, isStatic, nnMatmul, qnnMatmul, sizeOf, tensor, type Value } from '../../ir/index.ts';
import type { Contents } from '../contents.ts';
import { contents, type Eight, eight, wrapInto, type ZeroPoint, zeroPoint, zeroPointsOf } from './basic.ts';
import { finish, type Tail, weightsTensor } from './conv.ts';

export interface MatmulSpec {
  readonly op: 'qnnMatmul' | 'nnMatmul';
  readonly a: Eight;
  readonly b: Eight;
  readonly rows: number | 'N' | 'vector';
  /** `K`: known to the run alone; the right side is computed then. */
  readonly inner: number | 'K';
  readonly columns: number | 'vector';
  /** Leading sizes, broadcast against each other. */
  readonly batchA: readonly number[];
  readonly batchB: readonly number[];
  /** `channels`: by rows of a, by columns of b. */
  readonly za: ZeroPoint;
  readonly zb: ZeroPoint;
  /** A zero point by lines has the rank of its matrix instead of rank 1. */
  readonly broadcast: boolean;
  /** And then it differs from matrix to matrix. */
  readonly batched: boolean;
  readonly weights: Contents;
  readonly narrow: boolean;
  readonly computed: boolean;
  readonly tail: Tail;
}

const lines = fc.constantFrom('scalar', 'scalar', 'one', 'channels' as const);
const batches = fc.constantFrom<readonly number[]>([], [], [2], [1], [3, 1], [1, 2], [3, 2]);

export const matmulSpec = (
  emphasis: { readonly [K in keyof MatmulSpec]?: fc.Arbitrary<MatmulSpec[K]> } = {},
): fc.Arbitrary<MatmulSpec> =>
  fc.record({
    op: fc.constant('qnnMatmul' as const),
    a: eight,
    b: eight,
    rows: fc.constantFrom<MatmulSpec['rows']>(1, 2, 3, 5, 'N', 'vector'),
    inner: fc.integer({ min: 1, max: 8 }),
    columns: fc.constantFrom<MatmulSpec['columns']>(1, 2, 3, 4, 'vector'),
    batchA: batches,
    batchB: batches,
    za: zeroPoint({ form: lines }),
    zb: zeroPoint({ form: lines }),
    broadcast: fc.boolean(),
    batched: fc.boolean(),
    weights: contents,
    narrow: fc.boolean(),
    computed: fc.constantFrom(false, false, false, false, true),
    tail: fc.constantFrom('none', 'none', 'none', 'read', 'shared'),
    ...emphasis,
  });

/** Emits the product, with `given` as its left side if any. */
export function emitMatmul(b: GraphBuilder, spec: MatmulSpec, given?: Value<Eight>): Value<'s32'> {
  const { inner, columns, rows } = spec;
  const depth = given?.type.shape.at(-1) ?? inner;
  const aShape = rows === 'vector' ? [inner] : [...(fits(spec) ? spec.batchA : []), rows, inner];
  const bShape = columns === 'vector' ? [depth] : [...(given ? [] : spec.batchB), depth, columns];
  const left = given ?? b.input(b.fresh('a'), spec.a, aShape);
  const zeros = spec.zb.presence === 'constant' ? zeroPointsOf(spec.b, { ...spec.zb, form: 'scalar' }, 1) : [0];
  const right =
    spec.computed || !isStatic(bShape)
      ? b.input(b.fresh('b'), spec.b, bShape)
      : b.constant(
          weightsTensor(spec.b, bShape, spec.weights, spec.narrow, () => zeros[0]),
          b.fresh('b'),
        );
  if (spec.op === 'nnMatmul') return b.emit(nnMatmul, { a: left, b: right });
  const za = emitLines(b, left, spec.za, 'za', left.type.shape.length - 2, spec);
  const zb = emitLines(b, right, spec.zb, 'zb', columns === 'vector' ? -1 : bShape.length - 1, spec);
  return b.emit(qnnMatmul, { a: left, b: right, ...(za && { za }), ...(zb && { zb }) });
}

/** numpy's rule for the leading sizes. */
function fits({ batchA, batchB, columns }: MatmulSpec): boolean {
  if (columns === 'vector') return true;
  return batchA.every((dim, i) => {
    const other = batchB[i - batchA.length + batchB.length];
    return other === undefined || other === 1 || dim === 1 || other === dim;
  });
}

/** A zero point for the whole matrix or for each of its lines along `axis` (a negative axis: it has no such lines), of each matrix. */
function emitLines(
  b: GraphBuilder,
  matrix: Value<Eight>,
  spec: ZeroPoint,
  name: string,
  axis: number,
  { broadcast, batched }: Pick<MatmulSpec, 'broadcast' | 'batched'>,
): Value<Eight> | undefined {
  if (spec.presence === 'absent') return undefined;
  const { dtype, shape } = matrix.type;
  const count = axis < 0 ? undefined : shape[axis];
  const form = spec.form === 'channels' && typeof count !== 'number' ? 'scalar' : spec.form;
  const lines = spec.form === 'channels' && typeof count === 'number' ? count : 1;
  const isFull = form === 'channels' && broadcast;
  const full = shape.map((dim, i) =>
    i === axis ? lines : isFull && batched && i < shape.length - 2 ? Number(dim) : 1,
  );
  const zeroShape = form === 'scalar' ? [] : isFull ? full : [lines];
  const values = zeroPointsOf(dtype, { ...spec, form }, sizeOf(zeroShape)).map((v) => wrapInto(dtype, v));
  return spec.presence === 'input'
    ? b.input(b.fresh(name), dtype, zeroShape)
    : b.constant(tensor(dtype, values, zeroShape), b.fresh(name));
}

export function buildMatmul(spec: MatmulSpec): Graph {
  const b = new GraphBuilder();
  return finish(b, emitMatmul(b, spec), spec.tail);
}
