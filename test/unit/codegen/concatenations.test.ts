/** Concatenations that are written in place: the same bytes as the interpreter's, and no copy of a part that nothing else reads. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addonAvailable } from '../../../src/runtime/addon.ts';
import { ByteNetwork, type Bytes, kernelsOf } from '../../support/byte_network.ts';
import { describeUnless } from '../../support/unless.ts';

const { available } = addonAvailable();

const drawn = fc.record({
  op: fc.constantFrom('conv', 'lut', 'channels', 'concat', 'concat'),
  of: fc.array(fc.nat(), { minLength: 1, maxLength: 4 }),
  filters: fc.integer({ min: 1, max: 70 }),
  isOutput: fc.boolean(),
});

describeUnless(available ? undefined : 'the addon is not built', 'concatenations in place', () => {
  it('have the bytes of the interpreter', () => {
    const shape = fc.tuple(
      fc.constantFrom(1, 2),
      fc.constantFrom(1, 16, 24),
      fc.constantFrom(1, 3),
      fc.constantFrom(1, 5),
    );
    fc.assert(
      fc.property(
        shape,
        fc.constantFrom('u8' as const, 's8' as const),
        fc.array(drawn, { minLength: 2, maxLength: 14 }),
        (dims, dtype, nodes) => {
          const net = new ByteNetwork();
          const values: Bytes[] = [net.b.input('x', dtype, dims) as Bytes];
          const outputs: Bytes[] = [];
          for (const { op, of, filters, isOutput } of nodes) {
            // the latest values are read seldom by others
            const xs = of.map((i) => values[values.length - 1 - (i % Math.min(values.length, 4))]);
            const size = Number(xs[0].type.shape[1]);
            const made = {
              conv: () => net.conv(xs[0], filters),
              lut: () => net.lut(xs[0]),
              channels: () => net.channels(xs[0], size >> 1, size),
              concat: () => net.concat(xs),
            }[op]();
            values.push(made);
            if (isOutput) outputs.push(made);
          }
          kernelsOf(net.b.finish([...new Set([...outputs, values[values.length - 1]])]));
        },
      ),
      { numRuns: process.env.UNSKEW_DEEP ? 1000 : 60 },
    );
  });

  const join = (
    parts: (net: ByteNetwork, x: Bytes) => readonly Bytes[],
    more: 'nothing' | 'outputs' | 'readers' = 'nothing',
  ) => {
    const net = new ByteNetwork();
    const x = net.conv(net.b.input('x', 'u8', [1, 16, 6, 6]) as Bytes, 32);
    const xs = parts(net, x);
    const y = net.conv(net.concat(xs), 16);
    const read = more === 'readers' ? [net.conv(xs[0], 16)] : more === 'outputs' ? [xs[0]] : [];
    return net.b.finish([y, ...read]);
  };
  // Input and outputs are row major: a copy for each.
  it.each([
    ['of products', join((net, x) => [net.conv(x, 16), net.conv(x, 40)]), 2],
    ['of tables', join((net, x) => [net.lut(x), net.lut(x)]), 2],
    ['of a product and a table', join((net, x) => [net.lut(x), net.conv(x, 17), net.lut(x)]), 2],
    [
      'of a part and a product: the part is copied once',
      join((net, x) => [net.channels(x, 0, 16), net.conv(x, 16)]),
      3,
    ],
    ['of a value that another node reads: it is copied', join((net, x) => [net.lut(x), net.conv(x, 16)], 'readers'), 4],
    ['of a result: it is copied to both', join((net, x) => [net.lut(x), net.conv(x, 16)], 'outputs'), 4],
    ['of one value twice: it is copied', join((net, x) => ((y) => [y, y])(net.lut(x))), 4],
  ] as const)('%s', (_name, graph, copies) => {
    expect(kernelsOf(graph).filter((name) => name === 'copy')).toHaveLength(copies);
  });
});
