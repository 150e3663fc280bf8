/**
 * Cost tables: a measured class counts as it is, another by its neighbours; the shipped tables predict classes that they lack.
 */
import { describe, expect, test } from 'vitest';
import { costModel, shippedFor } from '../../../src/codegen/onednn/costs/index.ts';
import { measured } from '../../../src/codegen/onednn/costs/measured.ts';
import { defaultTarget, type TargetDescription } from '../../../src/codegen/targets.ts';
import { type CostRow, costIn, distanceOf } from '../../../src/passes/cost/table.ts';
import { layerOf } from './support.ts';

const rows: CostRow[] = [
  { layer: layerOf({ positions: 100 }), costs: { pad: 1.1, native: 1.4 } },
  { layer: layerOf({ positions: 400 }), costs: { pad: 1.3 } },
];

describe('the cost of a way', () => {
  test('is the measurement of the very layer', () => {
    expect(costIn(rows, 'pad', layerOf({ positions: 100 }))).toBe(1.1);
    expect(costIn(rows, 'pad', layerOf({ positions: 400 }))).toBe(1.3);
  });

  test('lies in between for a layer in between: the geometric mean in the middle', () => {
    expect(costIn(rows, 'pad', layerOf({ positions: 200 }))).toBeCloseTo(Math.sqrt(1.1 * 1.3), 12);
    const near = costIn(rows, 'pad', layerOf({ positions: 110 }))!;
    expect(near).toBeGreaterThan(1.1);
    expect(near).toBeLessThan(1.12);
  });

  test('takes no account of layers without this way', () => {
    expect(costIn(rows, 'native', layerOf({ positions: 400 }))).toBe(1.4);
    expect(costIn(rows, 'fold', layerOf())).toBeUndefined();
  });

  test('is unknown beyond the reach, and for layers of another sort', () => {
    expect(costIn(rows, 'native', layerOf({ positions: 400 }), 1.9)).toBeUndefined();
    expect(costIn(rows, 'native', layerOf({ positions: 400 }), 2)).toBe(1.4);
    for (const other of [{ kind: 'conv_transpose' }, { depthwise: true }, { padded: false }, { groups: 2 }] as const)
      expect(costIn(rows, 'pad', layerOf({ positions: 100, ...other }))).toBeUndefined();
  });

  test('of a symbolic size is one doubling away', () => {
    expect(distanceOf(layerOf({ positions: undefined }), layerOf())).toBe(1);
    expect(distanceOf(layerOf({ positions: undefined }), layerOf({ positions: undefined }))).toBe(0);
  });
});

describe('the model of a target', () => {
  const target = (change: Partial<TargetDescription>): TargetDescription => ({ ...defaultTarget('onednn'), ...change });

  test('takes the table of the nearest number of threads', () => {
    expect(shippedFor(target({ threads: 1 }))).toMatchObject({ isa: 'vnni', threads: 1 });
    expect(shippedFor(target({ threads: 16, isa: 'amx' }))).toMatchObject({ isa: 'amx', threads: 1 });
  });

  test('knows nothing of targets that were not measured', () => {
    for (const unknown of [target({ isa: 'avx2' }), target({ isa: 'avx512' }), target({ onednnMajor: 3 })]) {
      expect(costModel(unknown).costOf('pad', layerOf())).toBeUndefined();
      expect(costModel(unknown).origin).toBe('rules of thumb');
    }
  });

  test('lets this machine have the first word, nearby', () => {
    const own: CostRow[] = [{ layer: layerOf(), costs: { pad: 9 } }];
    const model = costModel(target({}), own);
    expect(model.costOf('pad', layerOf())).toBe(9);
    expect(model.costOf('pad', layerOf({ positions: 1000 }))).toBeLessThan(2);
    expect(model.origin).toBe('measured on this machine, else shipped: vnni, oneDNN 2, 1 thread');
  });
});

describe.each(measured.map((table) => [`${table.isa}, ${table.threads} threads`, table] as const))(
  'shipped: %s',
  (_name, table) => {
    test('every layer has costs, and folding costs nothing', () => {
      expect(table.rows.length).toBeGreaterThan(60);
      for (const { layer, costs } of table.rows) {
        expect(
          Object.values(costs).every((cost) => cost > 0.5 && cost < 1000),
          JSON.stringify(layer),
        ).toBe(true);
        if (costs.fold !== undefined) expect(costs.fold).toBe(1);
        expect(costs.fold === undefined).toBe(layer.padded);
      }
    });

    test('chooses within 5 % of the best for layers of the table, and mostly within 10 % for one left out of it', () => {
      const overBest = ({ layer, costs }: CostRow, known: readonly CostRow[]): number => {
        const predicted = (way: string) => costIn(known, way, layer) ?? Number.POSITIVE_INFINITY;
        const chosen = Object.keys(costs).sort((a, b) => predicted(a) - predicted(b))[0];
        return costs[chosen] / Math.min(...Object.values(costs));
      };
      for (const row of table.rows) expect(overBest(row, table.rows)).toBe(1);
      const leftOut = table.rows.map((row) =>
        overBest(
          row,
          table.rows.filter((other) => other !== row),
        ),
      );
      const near = leftOut.filter((over) => over <= 1.1).length;
      expect(near / leftOut.length).toBeGreaterThanOrEqual(0.9);
    });
  },
);
