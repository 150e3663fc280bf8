/** Commands that have the same constants and read them in different ways, as only a compiled file of strangers says. */
import fc from 'fast-check';
import { describe, it } from 'vitest';
import type { BufferRef, Command, Kernel, KernelIsa } from '../../src/codegen/onednn/binding.ts';
import { draws } from '../support/draws.ts';
import { binding, bytesOf, constant, expectSame, kernelIsas, random, typed } from './support.ts';

type Refs = Readonly<Record<string, BufferRef>>;

interface Reader {
  readonly kernel: Kernel;
  readonly constants: Refs;
  readonly inputBytes: number;
  readonly outputBytes: number;
}

/** Results of one session with all readers. */
function resultsOf(readers: readonly Reader[], isa: KernelIsa, input: Uint8Array): readonly Uint8Array[] {
  const commands = readers.map(({ kernel, constants }, index): Command => {
    const ends = { source: { space: 'input', index }, destination: { space: 'output', index } } as const;
    return { kind: 'kernel', kernel, arguments: { ...constants, ...ends } };
  });
  const [inputBytes, outputBytes] = [readers.map((one) => one.inputBytes), readers.map((one) => one.outputBytes)];
  binding.setKernelIsa(isa);
  try {
    const session = binding.session({ threads: 1, arenaBytes: 0, inputBytes, outputBytes, commands });
    const outputs = outputBytes.map((bytes) => new Uint8Array(bytes));
    session.runSync(
      inputBytes.map((bytes) => input.subarray(0, bytes)),
      outputs,
    );
    session.dispose();
    return outputs;
  } finally {
    binding.setKernelIsa(undefined);
  }
}

function expectAsAlone(readers: readonly Reader[], isa: KernelIsa, input: Uint8Array): void {
  const together = resultsOf(readers, isa, input);
  for (const [i, reader] of readers.entries()) expectSame(together[i], resultsOf([reader], isa, input)[0]);
}

type Drawn<A> = A extends fc.Arbitrary<infer T> ? T : never;
const keysOf = <T extends object>(shapes: T) => Object.keys(shapes) as (keyof T)[];

/** One way to read them, and others that differ from it in one thing each. */
const alike = <T extends object>(drawn: fc.Arbitrary<T>, names: readonly (keyof T)[]): fc.Arbitrary<readonly T[]> =>
  fc
    .tuple(drawn, fc.array(fc.tuple(fc.constantFrom(...names), drawn), { minLength: 1, maxLength: 5 }))
    .map(([first, others]) => [first, ...others.map(([name, other]) => ({ ...first, [name]: other[name] }))]);

const next = random(7);
const byte = () => Math.floor(next() * 256);
const BYTES = 1 << 17;
const [bytes, others] = [typed('u8', BYTES, byte), typed('u8', BYTES, byte)];
const floats = typed('f32', BYTES / 4, () => next() - 0.5);
const [codes, scale, zeroPoint] = [constant(bytes), constant(floats), constant(others)];
/** Zero points of either kind: bytes and floats at once. */
const zeroFloats = constant(typed('f32', BYTES / 4, () => Math.floor(next() * 16)));

const blockShapes = {
  depth: fc.constantFrom(32, 48, 64, 256),
  columns: fc.integer({ min: 1, max: 128 }),
  block: fc.constantFrom(16, 32, 64),
  bits: fc.constantFrom(2 as const, 4 as const, 8 as const),
  zero: fc.constantFrom('middle' as const, 'bytes' as const, 'floats' as const),
  activations: fc.constantFrom('f32' as const, 's8' as const),
};
const blocks = fc.record(blockShapes);

const blockReader = ({ activations, ...given }: Drawn<typeof blocks>): Reader => ({
  kernel: {
    name: 'block-product',
    rows: 1,
    levels: 'affine',
    ...given,
    activations: given.zero === 'floats' ? 'f32' : activations,
  },
  constants: { weights: codes, scale, ...(given.zero !== 'middle' && { zeroPoint: zeroFloats }) },
  inputBytes: given.depth * 4,
  outputBytes: given.columns * 4,
});

const convolutionShapes = {
  channels: fc.constantFrom(4, 12, 48),
  outputs: fc.constantFrom(4, 16, 40, 96, 132),
  groups: fc.constantFrom(1, 2, 4),
  size: fc.constantFrom(1, 3),
  pads: fc.constantFrom(0, 1),
  sourceType: fc.constantFrom('u8' as const, 's8' as const),
  weightsType: fc.constantFrom('u8' as const, 's8' as const),
  sourceZeroPoint: fc.constantFrom(0, 9),
  channelsFirst: fc.boolean(),
  hasZeroPoints: fc.boolean(),
  hasBias: fc.boolean(),
};
const convolutions = fc.record(convolutionShapes);

const SIDE = 3;

const convolutionReader = (c: Drawn<typeof convolutions>): Reader => {
  const { channels, outputs, size, pads, sourceType, weightsType, sourceZeroPoint } = c;
  const output = SIDE + 2 * pads - size + 1;
  return {
    kernel: {
      ...{ name: 'convolution', type: 's32', sourceType, weightsType, sourceZeroPoint, batch: 1 },
      ...{ channels, outputChannels: outputs, groups: c.channelsFirst ? 1 : c.groups, channelsFirst: c.channelsFirst },
      ...{ input: [SIDE, SIDE], output: [output, output], kernel: [size, size], strides: [1, 1], dilations: [1, 1] },
      padsBegin: [pads, pads],
      ...{ zeroPoint: 0, low: -(2 ** 31), high: 2 ** 31 - 1 },
    } as Kernel,
    constants: {
      weights: codes,
      ...(c.hasZeroPoints && { weightsZeroPoint: zeroPoint }),
      ...(c.hasBias && { bias: zeroPoint }),
    },
    inputBytes: SIDE * SIDE * channels,
    outputBytes: output * output * outputs * 4,
  };
};

describe.each(kernelIsas)('%s: constants that several commands share', (isa) => {
  it('are read by each with its own number of columns', () => {
    const shape = { depth: 256, block: 16, bits: 4, zero: 'middle', activations: 'f32' } as const;
    const readers = [16, 1024, 128].map((columns) => blockReader({ ...shape, columns }));
    expectAsAlone(readers, isa, bytesOf(floats));
  });

  it('are read by each product of blocks in its own way', () => {
    fc.assert(
      fc.property(alike(blocks, keysOf(blockShapes)), (drawn) =>
        expectAsAlone(drawn.map(blockReader), isa, bytesOf(floats)),
      ),
      draws(30),
    );
  });

  it('are read by each convolution in its own way', () => {
    fc.assert(
      fc.property(alike(convolutions, keysOf(convolutionShapes)), (drawn) =>
        expectAsAlone(drawn.map(convolutionReader), isa, bytesOf(bytes)),
      ),
      draws(30),
    );
  });
});
