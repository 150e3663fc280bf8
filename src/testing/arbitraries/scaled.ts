/** Products with zero points of the run, and the floats that dynamic quantization puts behind them. */
import * as fc from 'fast-check';
import {
  type Graph,
  GraphBuilder,
  nnAdd,
  nnCast,
  nnClip,
  nnMul,
  nnRelu,
  ofType,
  sizeOf,
  tensor,
  type Value,
} from '../../ir/index.ts';
import { type Contents, filled } from '../contents.ts';
import { absent, contents, zeroPoint } from './basic.ts';
import { type ConvSpec, convSpec, emitConv, finish, type Tail } from './conv.ts';
import { emitMatmul, type MatmulSpec, matmulSpec } from './matmul.ts';

/** A scale or an offset: how it is made, and the axes that it has. */
interface Factor {
  readonly presence: 'absent' | 'constant' | 'input';
  readonly form: 'scalar' | 'one' | 'channels' | 'full rank' | 'all';
  readonly first: boolean;
  readonly contents: Contents;
}

interface ScaledSpec {
  readonly product: { readonly conv: ConvSpec } | { readonly matmul: MatmulSpec };
  readonly scale: Factor;
  readonly offset: Factor;
  readonly activation: 'none' | 'relu' | 'clip';
  readonly bounds: readonly [number, number];
  readonly tail: Tail;
}

const factor = (presence: fc.Arbitrary<Factor['presence']>): fc.Arbitrary<Factor> =>
  fc.record({
    presence,
    form: fc.constantFrom('channels', 'scalar', 'one', 'channels', 'full rank', 'full rank', 'channels', 'all'),
    first: fc.boolean(),
    contents,
  });
const given = fc.constantFrom('constant', 'input' as const);

const ofRun = zeroPoint({ presence: fc.constant('input') });
const products = fc.oneof(
  convSpec({ zx: ofRun, computed: fc.constantFrom(false, false, false, true) }).map((conv) => ({ conv })),
  matmulSpec({
    za: ofRun,
    zb: fc.oneof(absent, zeroPoint()),
    rows: fc.constantFrom<MatmulSpec['rows']>(1, 2, 3, 'N', 'vector'),
    columns: fc.constantFrom<MatmulSpec['columns']>(1, 2, 3, 4),
  }).map((matmul) => ({ matmul })),
);

/** `ends`: the operator that comes last. */
export const scaledProducts = (ends: 'product' | 'sum' | 'relu' | 'clip'): fc.Arbitrary<Graph> =>
  fc
    .record({
      product: products,
      scale: factor(given),
      offset: factor(
        ends === 'product'
          ? fc.constant('absent')
          : ends === 'sum'
            ? given
            : fc.oneof(given, fc.constant('absent' as const)),
      ),
      activation: fc.constant(ends === 'relu' || ends === 'clip' ? ends : 'none'),
      bounds: fc.constantFrom([0, 6], [-1, 1], [2, 1], [0, Infinity], [-Infinity, 0], [-0, 3]),
      tail: fc.constantFrom('none', 'none', 'none', 'read', 'shared'),
    } satisfies { [K in keyof ScaledSpec]: fc.Arbitrary<ScaledSpec[K]> })
    .map(build);

function build({ product, scale, offset, activation, bounds: [min, max], tail }: ScaledSpec): Graph {
  const b = new GraphBuilder();
  const isConv = 'conv' in product;
  const sum = isConv ? emitConv(b, product.conv) : emitMatmul(b, product.matmul);
  let y = ofType(b.emit(nnCast, { x: sum }, { to: 'f32' }), 'f32');
  for (const [op, part, name] of [
    [nnMul, scale, 'scale'],
    [nnAdd, offset, 'offset'],
  ] as const) {
    const other = emitFactor(b, y, isConv, part, name);
    if (other) y = b.emit(op, part.first ? { a: other, b: y } : { a: y, b: other });
  }
  if (activation === 'relu') y = b.emit(nnRelu, { x: y });
  if (activation === 'clip') y = b.emit(nnClip, { x: y }, { min, max });
  return finish(b, y, tail);
}

function emitFactor(
  b: GraphBuilder,
  y: Value<'f32'>,
  isConv: boolean,
  part: Factor,
  name: string,
): Value<'f32'> | undefined {
  const { shape } = y.type;
  const axis = isConv ? 1 : shape.length - 1;
  const channels = shape[axis];
  if (part.presence === 'absent' || typeof channels !== 'number') return undefined;
  const along = (from: number) => shape.slice(from).map((_, i) => (from + i === axis ? channels : 1));
  const sizes = {
    scalar: [],
    one: [1],
    channels: along(axis),
    'full rank': along(0),
    all: shape.map((dim) => (typeof dim === 'number' ? dim : 1)),
  }[part.form];
  if (part.presence === 'input') return b.input(b.fresh(name), 'f32', sizes);
  return b.constant(
    tensor('f32', Float32Array.from(filled('f32', [sizeOf(sizes)], part.contents).data, Number), sizes),
    name,
  );
}
