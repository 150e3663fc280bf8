/** Channel shuffles: one copy where channels are last, as the interpreter has them. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addonAvailable } from '../../../src/runtime/addon.ts';
import { ByteNetwork, type Bytes, kernelsOf } from '../../support/byte_network.ts';
import { describeUnless } from '../../support/unless.ts';

const { available } = addonAvailable();

describeUnless(available ? undefined : 'the addon is not built', 'channel shuffles', () => {
  /** A shuffle behind a product, which has channels last, or of an input, which is row major. */
  const network = (isLast: boolean, read: (net: ByteNetwork, y: Bytes) => readonly Bytes[], groups = 2) => {
    const net = new ByteNetwork();
    const x = net.b.input('x', 'u8', [2, 24, 3, 5]) as Bytes;
    const y = net.shuffle(isLast ? net.conv(x, 24) : x, groups);
    return net.b.finish(read(net, y));
  };
  const halves = (net: ByteNetwork, y: Bytes) => [
    net.conv(net.channels(y, 0, 12), 16),
    net.conv(net.channels(y, 12, 24), 16),
  ];
  const countOf = (names: readonly string[], name: string) => names.filter((one) => one === name).length;

  it('have the bytes of the interpreter, in any number of groups', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.constantFrom(1, 2, 3, 4, 8, 12, 24),
        fc.nat(23),
        fc.nat(23),
        fc.boolean(),
        (isLast, groups, a, b, isWhole) => {
          const [from, to] = [Math.min(a, b), Math.max(a, b) + 1];
          kernelsOf(network(isLast, (net, y) => [...(isWhole ? [net.lut(y)] : []), net.channels(y, from, to)], groups));
        },
      ),
      { numRuns: 60 },
    );
  });

  // Inputs and outputs are row major: a copy for each.
  it('are one copy with channels last', () => {
    const names = kernelsOf(network(true, (net, y) => [net.conv(y, 16)]));
    expect([countOf(names, 'gather-channels'), countOf(names, 'copy')]).toEqual([1, 2]);
  });
  it('are picked by their slices, where nothing else reads them', () => {
    const names = kernelsOf(network(true, halves));
    expect([countOf(names, 'gather-channels'), countOf(names, 'copy')]).toEqual([2, 3]);
    const whole = kernelsOf(network(true, (net, y) => [...halves(net, y), net.lut(y)]));
    expect([countOf(whole, 'gather-channels'), countOf(whole, 'copy')]).toEqual([1, 6]);
  });
  it('are one copy of a row-major operand, which its reader takes', () => {
    expect(countOf(kernelsOf(network(false, (net, y) => [net.lut(y)])), 'copy')).toBe(1);
  });
});
