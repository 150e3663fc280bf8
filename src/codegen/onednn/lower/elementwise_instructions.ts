/** Each operator that is computed element by element, as instructions of a program. */
import {
  type AnyOp,
  byOp,
  isStoredType,
  isTensorOf,
  type Node,
  type nnBatchNorm,
  type nnGelu,
  type OpKey,
  type OpWith,
  type ops,
  type qnnDequantize,
  type qnnQuantize,
  sizeOf,
  tensor,
  type ValueId,
  type View,
  viewOf,
} from '../../../ir/index.ts';
import { castSteps } from './elementwise_casts.ts';
import type { ElementwiseProgram, Register } from './elementwise_program.ts';
import type { GraphView } from './lowering.ts';

interface Translation<D extends AnyOp> {
  /** Why the program has no instruction for the node. */
  readonly refuses?: (view: View<D>, graph: GraphView) => string | undefined;
  readonly emit: (view: View<D>, program: ElementwiseProgram) => Register;
}

const { fround } = Math;
type Unary = OpWith<'x'>;
type Binary = OpWith<'a' | 'b'>;
type Bounds = readonly number[];

const named = (operation: string, program: ElementwiseProgram, id: ValueId): string =>
  `${operation}.${program.dtype(id)}`;

const isF32 = ({ x }: View<Unary>, graph: GraphView): string | undefined =>
  graph.dtype(x) === 'f32' ? undefined : `its function of ${graph.dtype(x)} is that of JavaScript`;

/** An operation of every type that the operator takes. */
const unary = <A = unknown>(operation: string, parameters: (attrs: A) => Bounds = () => []) => ({
  emit: ({ x, attrs }: View<Unary> & { readonly attrs: A }, program: ElementwiseProgram) =>
    program.emit(named(operation, program, x), [program.value(x)], parameters(attrs)),
});

/** A function of f32; parameters are binary32 numbers. */
const float = <A = unknown>(operation: string, parameters: (attrs: A) => Bounds = () => []) => ({
  refuses: isF32,
  ...unary<A>(operation, (attrs) => parameters(attrs).map(fround)),
});

const binary = (operation: string): Translation<Binary> => ({
  emit: ({ a, b }, program) => program.emit(named(operation, program, a), [program.value(a), program.value(b)]),
});

const bounds = ({ min, max }: { readonly min: number; readonly max: number }): Bounds => [min, max];

/** The exponents 2 and −1 are one operation each: x·x and 1/x. */
const power: Translation<Binary> = {
  refuses: ({ a }, graph) =>
    ['f32', 's64', 'u64'].includes(graph.dtype(a)) ? undefined : `a power of ${graph.dtype(a)} is that of JavaScript`,
  emit({ a, b }, program) {
    const exponent = program.constant(b);
    const x = program.value(a);
    if (exponent && isTensorOf(exponent, 'f32') && sizeOf(exponent.shape) === 1) {
      const [e] = exponent.data;
      if (e === 2) return program.emit('mul.f32', [x, x]);
      if (e === -1) return program.emit('reciprocal.f32', [x]);
    }
    return program.emit(named('pow', program, a), [x, program.value(b)]);
  },
};

/** Zero points as s32; absent ones are 0. */
function zeroPoint(zp: ValueId | undefined, axis: number, program: ElementwiseProgram): Register {
  const known = zp === undefined ? tensor('s32', [0], []) : program.constant(zp);
  if (known && (known.shape.length < 2 || sizeOf(known.shape) === 1))
    return program.data(
      tensor('s32', Int32Array.from(known.data, Number), sizeOf(known.shape) === 1 ? [] : known.shape),
      axis,
    );
  const id = zp as ValueId;
  const value = program.value(id, axis);
  return program.dtype(id) === 's32' ? value : program.emit(named('to_s32', program, id), [value]);
}

const axisOf = ({ x, attrs }: View<typeof qnnQuantize | typeof qnnDequantize>, rank: (id: ValueId) => number) =>
  attrs.axis < 0 ? attrs.axis + rank(x) : attrs.axis;

const quantize: Translation<typeof qnnQuantize> = {
  emit(view, program) {
    const axis = axisOf(view, program.rank);
    const x = program.value(view.x);
    const scale = program.value(view.scale, axis);
    const quotient =
      view.attrs.arithmetic === 'divide'
        ? program.emit('div.f32', [x, scale])
        : program.emit('mul.f32', [x, program.emit('reciprocal.f32', [scale])]);
    return program.emit(named('saturate', program, view.y), [quotient, zeroPoint(view.zp, axis, program)]);
  },
};

const dequantize: Translation<typeof qnnDequantize> = {
  emit(view, program) {
    const axis = axisOf(view, program.rank);
    const operands = [program.value(view.x), program.value(view.scale, axis), zeroPoint(view.zp, axis, program)];
    return program.emit(named('dequantize', program, view.x), operands);
  },
};

const cast: Translation<(typeof ops)['nnCast']> = {
  refuses({ x, attrs: { to } }, graph) {
    const from = graph.dtype(x);
    if (isStoredType(from) || isStoredType(to)) return 'its elements share bytes, or are floats of 8 bits';
    return from === to ? 'it changes nothing' : undefined;
  },
  emit({ x, attrs: { to } }, program) {
    const steps = castSteps(program.dtype(x), to);
    return steps.reduce((from, operation) => program.emit(operation, [from]), program.value(x));
  },
};

/** In binary64, rounded once, where the run computes a parameter: constants make one factor, for which there is a faster kernel. */
const batchNorm: Translation<typeof nnBatchNorm> = {
  refuses: (view, graph) =>
    isF32(view, graph) ??
    ([view.scale, view.bias, view.mean, view.variance].every((id) => graph.constant(id) !== undefined)
      ? 'its parameters are constants'
      : undefined),
  emit({ x, scale, bias, mean, variance, attrs }, program) {
    const wide = (id: ValueId, axis?: number) => program.emit('to_f64.f32', [program.value(id, axis)]);
    const epsilon = program.data(tensor('f64', [fround(attrs.epsilon)], []));
    const deviation = program.emit('sqrt.f64', [program.emit('add.f64', [wide(variance, CHANNELS), epsilon])]);
    const factor = program.emit('div.f64', [wide(scale, CHANNELS), deviation]);
    const centred = program.emit('sub.f64', [wide(x), wide(mean, CHANNELS)]);
    const sum = program.emit('add.f64', [program.emit('mul.f64', [centred, factor]), wide(bias, CHANNELS)]);
    return program.emit('to_f32.f64', [sum]);
  },
};
const CHANNELS = 1;

const table = {
  nnBatchNorm: batchNorm,
  nnExp: float('exp'),
  nnLog: float('log'),
  nnSin: float('sin'),
  nnCos: float('cos'),
  nnSigmoid: float('sigmoid'),
  nnTanh: float('tanh'),
  nnErf: float('erf'),
  nnSoftplus: float('softplus'),
  nnSoftsign: float('softsign'),
  nnMish: float('mish'),
  nnGelu: {
    refuses: isF32,
    emit: ({ x, attrs }, program) =>
      program.emit(attrs.approximate === 'tanh' ? 'gelu_tanh.f32' : 'gelu.f32', [program.value(x)]),
  } satisfies Translation<typeof nnGelu>,
  nnElu: float<{ alpha: number }>('elu', ({ alpha }) => [alpha]),
  nnSelu: float<{ alpha: number; gamma: number }>('selu', ({ alpha, gamma }) => [alpha, gamma]),
  nnCelu: float<{ alpha: number }>('celu', ({ alpha }) => [alpha]),
  nnLeakyRelu: float<{ alpha: number }>('leaky_relu', ({ alpha }) => [alpha]),
  nnThresholdedRelu: float<{ alpha: number }>('thresholded_relu', ({ alpha }) => [alpha]),
  nnHardSigmoid: float<{ alpha: number; beta: number }>('hard_sigmoid', ({ alpha, beta }) => [alpha, beta]),
  nnHardSwish: float('hard_swish'),

  nnSqrt: unary('sqrt'),
  nnReciprocal: unary('reciprocal'),
  nnFloor: unary('floor'),
  nnCeil: unary('ceil'),
  nnRound: unary('round'),
  nnRelu: unary('relu'),
  nnNeg: unary('neg'),
  nnAbs: unary('abs'),
  nnSign: unary('sign'),
  nnClip: {
    emit: ({ x, attrs }, program) => {
      const limits = program.dtype(x) === 'f32' ? bounds(attrs).map(fround) : bounds(attrs);
      return program.emit(named('clip', program, x), [program.value(x)], limits);
    },
  } satisfies Translation<(typeof ops)['nnClip']>,
  nnNot: unary('not'),

  nnAdd: binary('add'),
  nnSub: binary('sub'),
  nnMul: binary('mul'),
  nnDiv: binary('div'),
  nnMin: binary('min'),
  nnMax: binary('max'),
  nnPow: power,
  nnMod: {
    emit: ({ a, b, attrs }, program) =>
      program.emit(named(attrs.fmod ? 'fmod' : 'mod', program, a), [program.value(a), program.value(b)]),
  } satisfies Translation<(typeof ops)['nnMod']>,
  nnPrelu: {
    emit: ({ x, slope }, program) => program.emit(named('prelu', program, x), [program.value(x), program.value(slope)]),
  } satisfies Translation<(typeof ops)['nnPrelu']>,

  nnEqual: comparison('equal'),
  nnGreater: comparison('greater'),
  nnLess: comparison('less'),
  nnGreaterOrEqual: comparison('greater_or_equal'),
  nnLessOrEqual: comparison('less_or_equal'),
  nnAnd: binary('and'),
  nnOr: binary('or'),
  nnXor: binary('xor'),

  nnWhere: {
    emit: ({ cond, a, b }, program) =>
      program.emit(named('where', program, a), [program.value(cond), program.value(a), program.value(b)]),
  } satisfies Translation<(typeof ops)['nnWhere']>,
  nnCast: cast,
  qnnQuantize: quantize,
  qnnDequantize: dequantize,
};

/** Bools are compared as bytes. */
function comparison(operation: string): Translation<Binary> {
  return {
    emit({ a, b }, program) {
      const isBool = program.dtype(a) === 'bool';
      const operand = (id: ValueId) => (isBool ? program.emit('to_u8.bool', [program.value(id)]) : program.value(id));
      return program.emit(isBool ? `${operation}.u8` : named(operation, program, a), [operand(a), operand(b)]);
    },
  };
}

export type ElementwiseKey = Extract<keyof typeof table, OpKey>;

interface Entry {
  readonly refuses?: (view: { readonly node: Node }, graph: GraphView) => string | undefined;
  readonly emit: (view: { readonly node: Node }, program: ElementwiseProgram) => Register;
}
const entryOf = byOp<Entry>(table as unknown as Readonly<Partial<Record<OpKey, Entry>>>);

export const elementwiseKeys = Object.keys(table) as ElementwiseKey[];

/** Why a node is not part of a program; undefined when it can be. */
export function elementwiseRefusal(node: Node, graph: GraphView): string | undefined {
  const entry = entryOf(node);
  return entry ? entry.refuses?.(viewOf(node), graph) : 'it is not computed element by element';
}

/** Adds the instructions of a node, whose result the program then knows. */
export function emitNode(node: Node, program: ElementwiseProgram): void {
  const register = entryOf(node)?.emit(viewOf(node), program);
  if (register) program.define(node.results[0], register);
}
