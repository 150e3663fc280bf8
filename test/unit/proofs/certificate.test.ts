import { describe, expect, it } from 'vitest';
import { legalize } from '../../../src/codegen/legalize.ts';
import type { Certificate } from '../../../src/passes/certificate.ts';
import { compileGraph } from '../../../src/runtime/compile_graph.ts';
import { padded } from './support.ts';

describe('a certificate', () => {
  it('lists the obligations of every rewritten node, and where interior ones are proved', () => {
    const { certificate } = legalize(padded(), { strategy: 'border-table' });
    expect(certificate.verdict).toBe('bit-exact');
    expect(certificate.entries.map(({ node, exactness }) => [node, exactness])).toContainEqual(['y', 'bit-exact']);
    const y = certificate.entries.find(({ node }) => node === 'y')!;
    expect(y.rules).toContain('border-table');
    expect(y.obligations?.map(({ kind, verdict }) => [kind, verdict])).toEqual([
      ['identity', 'proved'],
      ['range', 'proved'],
    ]);
    // 2 filters × 9 classes of positions
    expect(y.obligations?.[0].method).toContain('for 18 (channel, class of positions)');
    for (const { node, obligations, within } of certificate.entries)
      if (node !== 'y') expect(obligations?.length === 0 || within === 'y').toBe(true);
  });

  it('of a compiled model has the selection as well, and survives JSON', () => {
    const { certificate } = compileGraph(padded(), { backend: 'reference', strategy: 'border-table' });
    const again = JSON.parse(JSON.stringify(certificate)) as Certificate;
    expect(again).toEqual(certificate);
    expect(again.verdict).toBe('bit-exact');
    const q = again.selection?.find(({ node }) => node === 'q');
    expect(q?.obligations?.map(({ kind }) => kind)).toEqual(['identity', 'range', 'rounding', 'rounding']);
    expect(q?.obligations?.every(({ verdict }) => verdict === 'proved')).toBe(true);
  });
});
