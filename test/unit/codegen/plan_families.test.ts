/** A family holds where its plans are what it says, and nowhere else: plans of a back end of this test are lists of numbers. */
import { describe, expect, it } from 'vitest';
import type { Backend, Plan, PlanForm } from '../../../src/codegen/backend.ts';
import { PlanFamilies } from '../../../src/codegen/plan_families.ts';
import { type Graph, GraphBuilder, typeOf } from '../../../src/ir/index.ts';
import { nnAbs } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnMaxPool } from '../../../src/ir/ops/nn_pool.op.ts';
import { nnSlice } from '../../../src/ir/ops/nn_slice.op.ts';
import { portableBackend } from '../../../src/runtime/backends.ts';

/** A network over [n, 12, m]. */
function network(): Graph {
  const b = new GraphBuilder();
  return b.finish([b.emit(nnAbs, { x: b.input('x', 'f32', ['n', 12, 'm']) })]);
}

/** A network over [1, n, 1, m] whose windows have a step of 4 along m. */
function strided(): Graph {
  const b = new GraphBuilder();
  const window = { kernel: [1, 4], strides: [1, 4], dilations: [1, 1], pads: [0, 1, 0, 1] };
  return b.finish([b.emit(nnMaxPool, { x: b.input('x', 'f32', [1, 'n', 1, 'm']) }, window)]);
}

interface Known {
  readonly numbers: readonly number[];
  readonly kind?: string;
}

/** Plans that are `known` of the sizes; `asked` are the sizes for which one was made. */
function families(known: (n: number, m: number) => Known, graph = network()) {
  const asked: string[] = [];
  const formOf = ({ numbers, kind = '' }: Known): PlanForm & { readonly kind: string } => ({
    kind,
    numbers: Float64Array.from(numbers),
    matches: (other) => (other as PlanForm & { kind: string }).kind === kind,
    with: (values) => planOf({ numbers: [...values], kind }),
  });
  const planOf = (known: Known): Plan => ({
    bytes: known.numbers[0],
    bytesOfRun: 0,
    open: () => expect.fail('nothing runs here'),
    form: () => formOf(known),
  });
  const backend: Backend = {
    ...portableBackend,
    accepts: () => undefined,
    plan({ graph }) {
      const { shape } = typeOf(graph, graph.inputs[0]);
      const [n, , m] = (shape.length === 4 ? shape.slice(1) : shape) as number[];
      asked.push(`${n} ${m}`);
      return planOf(known(n, m));
    },
  };
  const made = new PlanFamilies(graph, [backend]);
  const at = (n: number, m: number): number | undefined =>
    made.memberAt(
      new Map([
        ['n', n],
        ['m', m],
      ]),
    )?.plan.bytes;
  return { at, asked };
}

describe('PlanFamilies', () => {
  it('the third set of sizes begins a family of the symbol that changed', () => {
    const { at, asked } = families((n, m) => ({ numbers: [100 * n + m * m] }));
    expect([at(1, 40), at(1, 50)]).toEqual([undefined, undefined]);
    expect(asked).toEqual([]);
    expect(at(1, 41)).toBe(100 + 41 * 41);
    const before = asked.length;
    for (const m of [7, 100, 999, 4000]) expect(at(1, m)).toBe(100 + m * m);
    expect(asked.length).toBe(before);
    expect(asked).not.toContain('1 41');
  });

  it('both symbols vary where both changed', () => {
    const { at } = families((n, m) => ({ numbers: [n * m * m + 3 * n] }));
    at(20, 40);
    at(30, 50);
    expect(at(21, 45)).toBe(21 * 45 * 45 + 63);
    expect(at(100, 33)).toBe(100 * 33 * 33 + 300);
  });

  it('sizes may happen to equal a known size or each other, but not 0 and 1', () => {
    const { at } = families((n, m) => ({ numbers: [n + m] }));
    at(20, 40);
    at(30, 50);
    at(21, 45);
    expect([at(21, 12), at(45, 45), at(12, 12)]).toEqual([33, 90, 24]);
    expect([at(1, 45), at(45, 1), at(0, 45)]).toEqual([undefined, undefined, undefined]);
    expect(at(22, 45)).toBe(67);
  });

  it('sizes behind a limit of the graph are no members', () => {
    const b = new GraphBuilder();
    const graph = b.finish([
      b.emit(
        nnSlice,
        { x: b.input('x', 'f32', [1, 'n', 12, 'm']) },
        { starts: [0], ends: [512], axes: [3], steps: [1] },
      ),
    ]);
    const { at } = families((n, m) => ({ numbers: [n + Math.min(m, 512)] }), graph);
    at(2, 40);
    at(2, 50);
    expect([at(2, 41), at(2, 511), at(2, 513)]).toEqual([43, 513, undefined]);
  });

  it('ends where plans change, in form or in a number', () => {
    const limit = 700;
    for (const known of [
      (_: number, m: number) => ({ numbers: [m], kind: m > limit ? 'long' : 'short' }),
      (_: number, m: number) => ({ numbers: [Math.min(m, limit)] }),
    ]) {
      const { at } = families(known);
      at(1, 40);
      at(1, 50);
      expect(at(1, 41)).toBe(41);
      expect(at(1, 500)).toBe(500);
      expect(at(1, 701)).toBe(undefined);
    }
  });

  it('there is none where numbers are not polynomials, or forms differ', () => {
    for (const known of [
      (_: number, m: number) => ({ numbers: [Math.ceil(m / 16)] }),
      (_: number, m: number) => ({ numbers: [m % 2] }),
      (_: number, m: number) => ({ numbers: [1], kind: String(m) }),
      (_: number, m: number) => ({ numbers: Array<number>(m).fill(1) }),
    ]) {
      const { at } = families(known);
      at(1, 40);
      at(1, 50);
      expect([at(1, 41), at(1, 42)]).toEqual([undefined, undefined]);
    }
  });

  it('windows with a step: sizes with one remainder, of which the third begins a family', () => {
    const { at, asked } = families((n, m) => ({ numbers: [100 * n + Math.floor((m - 2) / 4)] }), strided());
    const known = (m: number) => 3000 + Math.floor((m - 2) / 4);
    expect([40, 45, 41, 50, 43].map((m) => at(30, m))).toEqual(Array(5).fill(undefined)); // too few of any remainder
    expect(asked).toEqual([]);
    expect(at(30, 49)).toBe(undefined);
    expect(at(30, 57)).toBe(known(57));
    const before = asked.length;
    for (const m of [61, 101, 2001, 65]) expect(at(30, m)).toBe(known(m));
    expect(asked.length).toBe(before);
    expect(at(30, 62)).toBe(undefined);
    expect(asked.every((sizes) => Number(sizes.split(' ')[1]) % 4 === 1)).toBe(true);
  });

  it('a limit of the back end at sizes that no run has is not an error', () => {
    const { at } = families((_, m) => {
      if (m > 300) throw new Error('too long');
      return { numbers: [m] };
    });
    at(1, 40);
    at(1, 45);
    expect(at(1, 50)).toBe(50);
    expect(at(1, 299)).toBe(undefined); // the range ends at one of some sizes
  });

  it('plans of many bytes are made anew, with the checks of memory', () => {
    const { at } = families((_, m) => ({ numbers: [m * 2 ** 20] }));
    at(1, 40);
    at(1, 45);
    expect(at(1, 41)).toBe(41 * 2 ** 20);
    expect(at(1, 1000)).toBe(undefined);
  });
});
