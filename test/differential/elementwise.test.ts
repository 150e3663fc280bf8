/** Operators that are computed element by element, alone and in graphs that become one program: the addon equals the interpreter bit for bit. */
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { type AnyOp, type DType, type Graph, GraphBuilder, tensor, type Value } from '../../src/ir/index.ts';
import { nnCast } from '../../src/ir/ops/nn_cast.op.ts';
import * as binary from '../../src/ir/ops/nn_elementwise_binary.op.ts';
import * as unary from '../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnMaxPool } from '../../src/ir/ops/nn_pool.op.ts';
import { nnWhere } from '../../src/ir/ops/nn_where.op.ts';
import { qnnDequantize } from '../../src/ir/ops/qnn_dequantize.op.ts';
import { qnnQuantize } from '../../src/ir/ops/qnn_quantize.op.ts';
import { nonFinitePattern, type Pattern } from '../../src/testing/index.ts';
import { kernelIsas } from '../native/support.ts';
import { draws } from '../support/draws.ts';
import { expectAgreement } from './agreement.ts';

const int = (min: number, max: number) => fc.integer({ min, max });
const contents = fc.record({ pattern: fc.constantFrom<Pattern>('random', nonFinitePattern), seed: fc.nat(0xffff) });
const setting = fc.record({ isa: fc.constantFrom(...kernelIsas), threads: int(1, 2) });
const size = fc.oneof(int(1, 5), int(1, 40), int(500, 530));
const shape = fc.array(size, { minLength: 0, maxLength: 4 }).filter((s) => s.reduce((a, b) => a * b, 1) <= 40_000);

const integers = ['u8', 's8', 'u16', 's16', 'u32', 's32', 'u64', 's64'] as const;
const numbers = [...integers, 'f32', 'f64'] as const;
const types = [...numbers, 'f16', 'bf16', 'bool'] as const;
const quantized = ['u8', 's8', 'u16', 's16'] as const;

const functions = [
  ...[unary.nnExp, unary.nnLog, unary.nnSin, unary.nnCos, unary.nnSigmoid, unary.nnTanh, unary.nnErf, unary.nnSoftplus],
  ...[unary.nnSoftsign, unary.nnMish, unary.nnGelu, unary.nnElu, unary.nnSelu, unary.nnCelu, unary.nnLeakyRelu],
  ...[unary.nnThresholdedRelu, unary.nnHardSigmoid, unary.nnHardSwish],
];
const roundings = [unary.nnSqrt, unary.nnReciprocal, unary.nnFloor, unary.nnCeil, unary.nnRound];
const ofNumbers = [unary.nnRelu, unary.nnNeg, unary.nnAbs, unary.nnSign];
const arithmetic = [binary.nnAdd, binary.nnSub, binary.nnMul, binary.nnDiv, binary.nnMin, binary.nnMax];
const comparisons = [
  ...[binary.nnEqual, binary.nnGreater, binary.nnLess, binary.nnGreaterOrEqual, binary.nnLessOrEqual],
];
const logical = [binary.nnAnd, binary.nnOr, binary.nnXor];

/** One node more; the numbers choose among operators, types and the values there are. */
interface Drawn {
  readonly kind: (typeof kinds)[number];
  readonly op: number;
  readonly type: number;
  readonly operands: readonly [number, number, number];
  readonly isOutput: boolean;
}
const kinds = [
  ...['function', 'function', 'rounding', 'number', 'arithmetic', 'arithmetic', 'arithmetic', 'comparison'],
  ...['logical', 'not', 'where', 'cast', 'clip', 'mod', 'power', 'prelu', 'quantize', 'dequantize'],
] as const;
const drawn: fc.Arbitrary<Drawn> = fc.record({
  kind: fc.constantFrom(...kinds),
  op: fc.nat(),
  type: fc.nat(),
  operands: fc.tuple(fc.nat(), fc.nat(), fc.nat()),
  isOutput: fc.boolean(),
});

const pick = <T>(list: readonly T[], at: number): T => list[at % list.length];

/** Inputs of the shape, of parts of it that broadcast, and of several types; channels last where a pool is put in front. */
function graphOf(
  own: readonly number[],
  masks: readonly number[],
  nodes: readonly Drawn[],
  channelsLast: boolean,
): Graph {
  const b = new GraphBuilder();
  const values: Value[] = masks.map((mask, i) => {
    const shape = own.map((size, axis) => ((mask >> axis) & 1 ? 1 : size)).slice(mask % 3 === 2 ? 1 : 0);
    return b.input(`x${i}`, pick(['f32', 'f32', 's32', 'u8', 'f64', 's64'] as const, mask), i === 0 ? [...own] : shape);
  });
  if (channelsLast && own.length === 4) {
    const x = b.emit(nnCast, { x: values[0] as Value<'f32'> }, { to: 'f32' }) as Value<'f32'>;
    const ones = { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] };
    values[0] = b.emit(nnMaxPool, { x }, ones);
  }
  const as = <D extends DType>(at: number, to: D): Value<D> => {
    const x = pick(values, at);
    return (x.type.dtype === to ? x : b.emit(nnCast, { x } as never, { to })) as Value<D>;
  };
  const emit = (op: AnyOp, operands: Record<string, Value>, attrs: Record<string, unknown> = {}): Value =>
    (b.emit as unknown as (op: AnyOp, operands: unknown, attrs: unknown) => Value).call(b, op, operands, attrs);
  const outputs: Value[] = [];
  for (const { kind, op, type, operands, isOutput } of nodes) {
    const [first, second, third] = operands;
    const number = pick(numbers, type);
    const ofFloat = pick(['f32', 'f64'] as const, type);
    const pair = (dtype: DType) => ({ a: as(first, dtype), b: as(second, dtype) });
    const byte = pick(quantized, type);
    const scale = b.constant(tensor('f32', [2 ** -((op % 9) - 2) * 1.1], []));
    const made = {
      function: () => emit(pick(functions, op), { x: as(first, 'f32') }),
      rounding: () => emit(pick(roundings, op), { x: as(first, ofFloat) }),
      number: () => emit(pick(ofNumbers, op), { x: as(first, number) }),
      arithmetic: () => emit(pick(arithmetic, op), pair(number)),
      comparison: () => emit(pick(comparisons, op), pair(pick([...numbers, 'bool'] as const, type))),
      logical: () => emit(pick(logical, op), pair('bool')),
      not: () => emit(unary.nnNot, { x: as(first, 'bool') }),
      where: () => {
        const dtype = pick(types, type);
        return emit(nnWhere, { cond: as(third, 'bool'), ...pair(dtype) });
      },
      cast: () => as(first, pick(types, type)),
      clip: () => {
        const high = dtypeHigh(number) < 200 ? 100 : 200;
        return emit(unary.nnClip, { x: as(first, number) }, op % 3 === 0 ? { max: high } : { min: op % 50, max: high });
      },
      mod: () => emit(binary.nnMod, pair(number), { fmod: op % 2 === 0 }),
      power: () => emit(binary.nnPow, pair(pick(['f32', 's64', 'u64'] as const, type))),
      prelu: () => {
        const x = as(first, ofFloat);
        const slope = b.constant(tensor(ofFloat, [0.25], []));
        return emit(unary.nnPrelu, { x, slope });
      },
      quantize: () => {
        const parameters = { x: as(first, 'f32'), scale, zp: zeroPoint(b, byte, op) };
        return emit(qnnQuantize, parameters, { dtype: byte, arithmetic: op % 2 === 0 ? 'divide' : 'reciprocal' });
      },
      dequantize: () => emit(qnnDequantize, { x: as(first, byte), scale, zp: zeroPoint(b, byte, op) }),
    }[kind]();
    values.push(made);
    if (isOutput) outputs.push(made);
  }
  return b.finish(outputs.length > 0 ? outputs : [values[values.length - 1]]);
}

const dtypeHigh = (dtype: DType): number => (dtype === 's8' ? 127 : 255);
const zeroPoint = (b: GraphBuilder, dtype: (typeof quantized)[number], n: number): Value =>
  b.constant(tensor(dtype, [n % 100], []));

describe('programs', () => {
  it('of drawn operators, types and shapes', () => {
    fc.assert(
      fc.property(
        shape,
        fc.array(fc.nat(63), { minLength: 1, maxLength: 5 }),
        fc.array(drawn, { minLength: 1, maxLength: 20 }),
        fc.boolean(),
        contents,
        setting,
        (own, masks, nodes, channelsLast, c, by) => {
          expectAgreement(graphOf(own, masks, nodes, channelsLast), c, by);
        },
      ),
      draws(100),
    );
  });

  it('of one cast, between any two types', () => {
    for (const from of types)
      for (const to of types) {
        const b = new GraphBuilder();
        const source = b.input('x', pick(['f32', 'f64', 's64'] as const, from.length + to.length), [1111]);
        const x = b.emit(nnCast, { x: source } as never, { to: from }) as Value;
        expectAgreement(
          b.finish([b.emit(nnCast, { x } as never, { to }) as Value]),
          { pattern: nonFinitePattern, seed: 3 },
          { isa: 'scalar', threads: 1 },
        );
      }
  });
});
