/** Graphs as quantizers write them: operators between dequantize and quantize nodes. */
import * as fc from 'fast-check';
import { resolveTarget } from '../../../src/codegen/targets.ts';
import {
  type DType,
  dtypes,
  type Graph,
  GraphBuilder,
  type Shape,
  sizeOf,
  tensor,
  type Value,
} from '../../../src/ir/index.ts';
import { nnConv, nnConvTranspose } from '../../../src/ir/ops/nn_conv.op.ts';
import { nnAdd } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnClip, nnRelu } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnMatmul } from '../../../src/ir/ops/nn_matmul.op.ts';
import { qnnDequantize } from '../../../src/ir/ops/qnn_dequantize.op.ts';
import { qnnQuantize } from '../../../src/ir/ops/qnn_quantize.op.ts';
import { groupQdq, type QdqFamilies } from '../../../src/passes/group_qdq.ts';
import type { Miss } from '../../../src/passes/rewrite/rule.ts';

export type Eight = 'u8' | 's8';
export type Float = Value<'f32'>;

/** Scales and zero points: one number, or one for each index of `axis`. */
export interface Parameters {
  readonly s: number | readonly number[];
  readonly z?: number | readonly number[];
  readonly axis?: number;
}

const parameter = <D extends DType>(b: GraphBuilder, dtype: D, v: number | readonly number[], name: string): Value<D> =>
  b.constant(typeof v === 'number' ? tensor(dtype, [v], []) : tensor(dtype, v, [v.length]), b.fresh(name));

export function deq(b: GraphBuilder, x: Value<Eight | 's32' | 'u16' | 's16'>, { s, z, axis = 0 }: Parameters): Float {
  const zp = z === undefined ? undefined : parameter(b, x.type.dtype, z, 'z');
  return b.emit(qnnDequantize, { x, scale: parameter(b, 'f32', s, 's'), ...(zp && { zp }) }, { axis });
}

export function q(
  b: GraphBuilder,
  x: Float,
  dtype: Eight | 'u16' | 's16',
  { s, z, axis = 0 }: Parameters,
  name?: string,
): Value<Eight> {
  const zp = z === undefined ? undefined : parameter(b, dtype, z, 'z');
  const operands = { x, scale: parameter(b, 'f32', s, 's'), ...(zp && { zp }) };
  return b.emit(qnnQuantize, operands, { axis, dtype }, name ? { names: [name] } : {}) as Value<Eight>;
}

export function random(seed: number): (low: number, high: number) => number {
  let state = seed >>> 0 || 1;
  return (low, high) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return low + Math.floor((state / 2 ** 32) * (high - low + 1));
  };
}

export function weights(
  b: GraphBuilder,
  dtype: Eight,
  shape: readonly number[],
  seed: number,
  name = 'w',
): Value<Eight> {
  const next = random(seed);
  const { min, max } = dtypes[dtype];
  return b.constant(
    tensor(
      dtype,
      Array.from({ length: sizeOf(shape) }, () => next(min, max)),
      shape,
    ),
    b.fresh(name),
  );
}

// ---- products --------------------------------------------------------------------------------------------------------

export interface ProductSpec {
  readonly kind: 'conv' | 'conv_transpose' | 'matmul';
  readonly x: Eight;
  readonly w: Eight;
  readonly y: Eight;
  readonly batch: number | 'N';
  readonly rank: 1 | 2;
  readonly group: number;
  readonly perGroupIn: number;
  readonly perGroupOut: number;
  readonly kernel: number;
  readonly stride: number;
  readonly pad: number;
  /** Scales are powers of two: everything is exact, and ties are common. */
  readonly exact: boolean;
  readonly perChannel: boolean;
  /** Seeds of the numbers that have no field of their own. */
  readonly seed: number;
  readonly bias: 'none' | 's32' | 'zeros' | 'float' | 'added s32' | 'added float';
  readonly activation: 'none' | 'relu' | 'clip' | 'relu, clip' | 'nothing left';
  readonly zeros: boolean;
}

type Emphasis<S> = { readonly [K in keyof S]?: fc.Arbitrary<S[K]> };

export const eight = fc.constantFrom<Eight>('u8', 's8');
const size = fc.integer({ min: 1, max: 3 });

export const productSpec = (emphasis: Emphasis<ProductSpec>): fc.Arbitrary<ProductSpec> =>
  fc.record({
    kind: fc.constantFrom('conv', 'conv_transpose', 'matmul'),
    x: eight,
    w: eight,
    y: eight,
    batch: fc.constantFrom<1 | 2 | 'N'>(1, 2, 'N'),
    rank: fc.constantFrom<1 | 2>(1, 2),
    group: fc.constantFrom(1, 1, 2, 3),
    perGroupIn: size,
    perGroupOut: size,
    kernel: size,
    stride: fc.constantFrom(1, 2),
    pad: fc.constantFrom(0, 0, 1),
    exact: fc.boolean(),
    perChannel: fc.boolean(),
    seed: fc.nat(0xffff),
    bias: fc.constantFrom('none', 's32', 'zeros', 'float', 'added s32', 'added float'),
    activation: fc.constantFrom('none', 'relu', 'clip', 'relu, clip', 'nothing left'),
    zeros: fc.constantFrom(false, false, false, true),
    ...emphasis,
  });

/** The real result in front of the quantize, and the parameters of the quantize. */
function emitProduct(b: GraphBuilder, spec: ProductSpec): { y: Float; unit: number } {
  const next = random(spec.seed);
  const { kind, rank, group, perGroupIn, perGroupOut, kernel } = spec;
  const channels = group * perGroupOut;
  const spatial = (k: number): number[] => Array(rank).fill(k);
  const zero = (dtype: Eight): number => (spec.zeros ? 0 : next(dtypes[dtype].min, dtypes[dtype].max));
  const scale = (): number => (spec.exact ? 2 ** next(-6, -3) : Math.fround(next(100, 900) / 8191));
  const sx = scale();
  const matmul = kind === 'matmul';
  const x = b.input(
    'x',
    spec.x,
    matmul ? [spec.batch, 3 * perGroupIn] : [spec.batch, group * perGroupIn, ...spatial(5)],
  );
  const count = kind === 'conv_transpose' ? perGroupOut : channels;
  const shapes = {
    conv: [channels, perGroupIn, ...spatial(kernel)],
    conv_transpose: [group * perGroupIn, perGroupOut, ...spatial(kernel)],
    matmul: [3 * perGroupIn, channels],
  };
  const many = <T>(one: () => T): T | T[] => (spec.perChannel ? Array.from({ length: count }, one) : one());
  const w = {
    s: many(scale),
    z: many(() => zero(spec.w)),
    axis: kind === 'conv' ? 0 : 1,
  };
  const sw = [w.s].flat();
  const units = Array.from({ length: channels }, (_, o) => sx * sw[o % sw.length]);
  const left = deq(b, x, { s: sx, z: zero(spec.x) });
  const right = deq(b, weights(b, spec.w, shapes[kind], spec.seed), w);
  const bias = emitBias(b, spec, units, next);
  const isAdded = matmul || spec.bias.startsWith('added');
  const attrs = {
    strides: spatial(spec.stride),
    pads: Array(2 * rank).fill(Math.min(spec.pad, kernel - 1)),
    dilations: spatial(1),
    group,
  };
  const own = bias && !isAdded ? { bias } : {};
  let y: Float;
  if (matmul) y = b.emit(nnMatmul, { a: left, b: right }) as Float;
  else if (kind === 'conv') y = b.emit(nnConv, { x: left, w: right, ...own }, attrs) as Float;
  else y = b.emit(nnConvTranspose, { x: left, w: right, ...own }, { ...attrs, outputPadding: spatial(0) }) as Float;
  if (bias && isAdded) y = b.emit(nnAdd, next(0, 1) === 0 ? { a: y, b: bias } : { a: bias, b: y });
  return { y, unit: Math.max(...units) * (matmul ? 3 : kernel ** rank) * perGroupIn };
}

function emitBias(
  b: GraphBuilder,
  spec: ProductSpec,
  units: readonly number[],
  next: ReturnType<typeof random>,
): Float | undefined {
  const isAdded = spec.kind !== 'matmul' && spec.bias.startsWith('added');
  const shape = isAdded ? [units.length, ...Array(spec.rank).fill(1)] : [units.length];
  const integers = units.map(() => (spec.bias === 'zeros' ? 0 : next(-20000, 20000)));
  if (spec.bias === 'none') return undefined;
  if (spec.bias.endsWith('float')) {
    const real = units.map((unit, o) => Math.fround(unit * integers[o]));
    return b.constant(tensor('f32', real, shape), b.fresh('bias'));
  }
  const s = spec.bias === 'zeros' ? 123 : spec.perChannel ? units.map(Math.fround) : Math.fround(units[0]);
  return deq(b, b.constant(tensor('s32', integers, shape), b.fresh('bias')), { s, axis: 0 });
}

export function emitActivation(b: GraphBuilder, y: Float, activation: ProductSpec['activation'], step: number): Float {
  switch (activation) {
    case 'none':
      return y;
    case 'relu':
      return b.emit(nnRelu, { x: y });
    case 'clip':
      return b.emit(nnClip, { x: y }, { min: -20.3 * step, max: Math.fround(31.5 * step) });
    case 'relu, clip':
      return b.emit(nnClip, { x: b.emit(nnRelu, { x: y }) }, { max: 6 * step });
    case 'nothing left':
      return b.emit(nnClip, { x: y }, { min: 5 * step, max: 3 * step });
  }
}

/** quantize(activation(product)). */
export function buildProduct(spec: ProductSpec): Graph {
  const b = new GraphBuilder();
  const { y, unit } = emitProduct(b, spec);
  const next = random(spec.seed + 1);
  const step = spec.exact ? 2 ** Math.round(Math.log2(unit * 32)) : Math.fround(unit * next(20, 60));
  const z = spec.zeros ? 0 : next(dtypes[spec.y].min, dtypes[spec.y].max);
  return b.finish([q(b, emitActivation(b, y, spec.activation, step), spec.y, { s: step, z })]);
}

/** The float result itself. */
export function buildFloatProduct(spec: ProductSpec): Graph {
  const b = new GraphBuilder();
  return b.finish([emitProduct(b, spec).y]);
}

// ---- chains and pairs ------------------------------------------------------------------------------------------------

/** Any scale: powers of two force ties. */
export const scale: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: -7, max: 0 }).map((e) => 2 ** e),
  fc.integer({ min: 50, max: 4000 }).map((n) => Math.fround(n / 8191)),
);

export interface Quantization {
  readonly s: number;
  /** Wrapped into the type. */
  readonly z: number;
}
export const quantization: fc.Arbitrary<Quantization> = fc.record({ s: scale, z: fc.integer({ min: 0, max: 255 }) });
export const parametersOf = (dtype: Eight, { s, z }: Quantization): Parameters => ({ s, z: z + dtypes[dtype].min });

/** quantize(f(dequantize(x))…) with operands of the given shapes, all of one type unless `y` says otherwise. */
export function between(
  dtype: Eight,
  shapes: readonly Shape[],
  parameters: readonly Quantization[],
  to: Quantization,
  f: (b: GraphBuilder, operands: readonly Float[]) => Float,
  y: Eight = dtype,
): Graph {
  const b = new GraphBuilder();
  const operands = shapes.map((shape, i) => deq(b, b.input(`x${i}`, dtype, shape), parametersOf(dtype, parameters[i])));
  return b.finish([q(b, f(b, operands), y, parametersOf(y, to), 'y')]);
}

// ---- the pass --------------------------------------------------------------------------------------------------------

export interface Grouped {
  readonly graph: Graph;
  readonly ops: readonly string[];
  readonly misses: readonly Miss[];
  /** The reasons, `rule: reason`. */
  readonly reasons: readonly string[];
}

export function group(graph: Graph, families: QdqFamilies = 'all'): Grouped {
  const misses: Miss[] = [];
  const { graph: after } = groupQdq(families).run(graph, {
    target: resolveTarget('onednn'),
    onMiss: (miss) => misses.push(miss),
    note: () => {},
  });
  const ops = Object.values(after.nodes).map((node) => node.op);
  return { graph: after, ops: ops.sort(), misses, reasons: misses.map((m) => `${m.rule}: ${m.reason}`) };
}
