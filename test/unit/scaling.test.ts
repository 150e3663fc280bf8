import { describe, expect, it } from 'vitest';
import { type ShapeName, shapes } from '../../bench/scaling/shapes.ts';
import { exponentOf } from '../../bench/scaling/table.ts';
import { legalize } from '../../src/codegen/legalize.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { parse, print, verify } from '../../src/ir/index.ts';

describe('graphs of any size', () => {
  it.each(Object.keys(shapes) as ShapeName[])('%s: are valid and rewritten', (shape) => {
    const graph = importOnnx(shapes[shape](60));
    const { graph: rewritten, certificate } = legalize(graph);
    expect(verify(rewritten)).toEqual([]);
    expect(certificate.verdict).not.toBe('differs');
    expect(print(parse(print(graph)))).toBe(print(graph));
  });

  it('have an exponent', () => {
    const sizes = [1000, 10_000, 100_000];
    expect(
      exponentOf(
        sizes,
        sizes.map((n) => 7 * n),
      ),
    ).toBeCloseTo(1);
    expect(
      exponentOf(
        sizes,
        sizes.map((n) => n ** 2),
      ),
    ).toBeCloseTo(2);
    expect(exponentOf(sizes, [100, 1000, undefined])).toBeCloseTo(1);
    expect(exponentOf(sizes, [100, undefined, undefined])).toBeUndefined();
  });
});
