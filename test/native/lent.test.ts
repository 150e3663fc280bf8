/** Constants that JavaScript lends to sessions: packed where they lie, copied where runs read them, given back where nobody reads them again. */
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command, NativeMemory } from '../../src/codegen/onednn/binding.ts';
import { draws } from '../support/draws.ts';
import { binding, bytesOf, type Data, kernelIsas, random, typed } from './support.ts';

const ROWS = 5;

/** A row of products whose matrices have `inner` rows and as many columns, each at its place in `weights`. */
function products(
  weights: Int8Array,
  places: readonly { readonly at: number; readonly inner: number; readonly columns: number }[],
  memoryOf: (bytes: Uint8Array) => NativeMemory,
  expendable?: Uint8Array,
) {
  const commands = places.map(
    ({ at, inner, columns }, index): Command => ({
      kind: 'kernel',
      kernel: {
        name: 'convolution',
        ...{ sourceType: 'u8', weightsType: 's8', channelsFirst: true, type: 's32' },
        ...{ batch: 1, channels: inner, outputChannels: columns, groups: 1 },
        ...{
          input: [1, ROWS],
          output: [1, ROWS],
          kernel: [1, 1],
          strides: [1, 1],
          dilations: [1, 1],
          padsBegin: [0, 0],
        },
        ...{ sourceZeroPoint: 3, zeroPoint: 0, low: -(2 ** 31), high: 2 ** 31 - 1 },
      },
      arguments: {
        source: { space: 'input', index },
        weights: { space: 'constant', memory: memoryOf(bytesOf(weights.subarray(at, at + inner * columns))) },
        destination: { space: 'output', index },
      },
    }),
  );
  return binding.session(
    {
      threads: 2,
      arenaBytes: 0,
      inputBytes: places.map(({ inner }) => ROWS * inner),
      outputBytes: places.map(({ columns }) => ROWS * columns * 4),
      commands,
    },
    undefined,
    expendable,
  );
}

/** Matrices in a file, some of which have bytes in common. */
const matrices = fc.array(
  fc.record({
    at: fc.integer({ min: 0, max: 60_000 }),
    inner: fc.integer({ min: 1, max: 200 }),
    columns: fc.integer({ min: 1, max: 150 }),
  }),
  { minLength: 1, maxLength: 6 },
);

/** The results of a session, which runs once. */
function outputsOf(
  session: ReturnType<typeof products>,
  places: Parameters<typeof products>[1],
  inputs: readonly Data[],
) {
  const outputs = places.map(({ columns }): Data => new Int32Array(ROWS * columns));
  session.runSync(inputs.map(bytesOf), outputs.map(bytesOf));
  session.dispose();
  return outputs;
}

describe.each(kernelIsas)('%s: lent constants', (isa) => {
  it('give what copies give, also when their memory goes back to the system meanwhile', () => {
    fc.assert(
      fc.property(matrices, fc.integer(), fc.boolean(), (places, seed, isExpendable) => {
        const next = random(seed);
        const weights = new Int8Array(100_000).map(() => next() * 256 - 128);
        const inputs = places.map(({ inner }) => typed('u8', ROWS * inner, () => Math.floor(next() * 256)));
        binding.setKernelIsa(isa);
        try {
          const expected = outputsOf(products(weights, places, binding.memory), places, inputs);
          const lent = products(weights, places, binding.lent, isExpendable ? bytesOf(weights) : undefined);
          if (!isExpendable) weights.fill(0); // packed already
          expect(outputsOf(lent, places, inputs)).toEqual(expected);
        } finally {
          binding.setKernelIsa(undefined);
        }
      }),
      draws(30),
    );
  });
});

/** In a file of its own, whose memory may go back to the system. */
function inFile(weights: Int8Array) {
  const folder = mkdtempSync(join(tmpdir(), 'unskew-held-'));
  const path = join(folder, 'weights');
  writeFileSync(path, weights);
  const bytes = new Uint8Array(weights);
  const descriptor = openSync(path, 'r');
  const file = binding.held(bytes, descriptor);
  closeSync(descriptor);
  const lent = (part: Uint8Array) => binding.lent(part, file);
  return { path, bytes, file, lent, remove: () => rmSync(folder, { recursive: true }) };
}

describe.each(kernelIsas)('%s: constants of a file', (isa) => {
  it('are read from the file again where sessions have given them back', () => {
    fc.assert(
      fc.property(matrices, matrices, fc.integer(), fc.boolean(), (first, second, seed, isDeleted) => {
        const next = random(seed);
        const weights = new Int8Array(100_000).map(() => next() * 256 - 128);
        const { path, bytes, file, lent, remove } = inFile(weights);
        const own = new Int8Array(bytes.buffer);
        binding.setKernelIsa(isa);
        try {
          for (const places of [first, second, [...first, ...second]]) {
            const inputs = places.map(({ inner }) => typed('u8', ROWS * inner, () => Math.floor(next() * 256)));
            expect(outputsOf(products(own, places, lent), places, inputs)).toEqual(
              outputsOf(products(weights, places, binding.memory), places, inputs),
            );
            if (isDeleted) rmSync(path, { force: true });
            const at = Math.floor(next() * 90_000);
            expect(Buffer.from(file.read(at, 9000))).toEqual(Buffer.from(weights.buffer, at, 9000));
          }
        } finally {
          binding.setKernelIsa(undefined);
          remove();
        }
      }),
      draws(8),
    );
  });
});

describe('constants of a file', () => {
  const weights = new Int8Array(100_000).map((_, i) => (i * 37) % 251);
  const places = [{ at: 5000, inner: 200, columns: 150 }];

  it('give their memory back', () => {
    const { bytes, lent, remove } = inFile(weights);
    products(new Int8Array(bytes.buffer), places, lent);
    expect(bytes.subarray(16_384, 28_672).every((byte) => byte === 0)).toBe(true);
    expect(Buffer.from(bytes.buffer, 0, 5000)).toEqual(Buffer.from(weights.buffer, 0, 5000));
    remove();
  });

  it.each([
    ['written to', (path: string) => writeFileSync(path, weights.with(20_000, 1)), 'other bytes'],
    ['cut', (path: string) => truncateSync(path, 18_000), 'shorter'],
  ])('are refused when the file was %s', (_, change, why) => {
    const { path, bytes, file, lent, remove } = inFile(weights);
    const own = new Int8Array(bytes.buffer);
    const session = products(own, places, lent);
    change(path);
    expect(() => file.read(16_000, 9000)).toThrow(expect.objectContaining({ code: 'ERR_FILE_CHANGED' }));
    expect(() =>
      products(
        own,
        places.map((place) => ({ ...place, at: 6000 })),
        lent,
      ),
    ).toThrow(why);
    expect(() => file.read(0, 5000)).not.toThrow();
    session.dispose();
    remove();
  });

  it('are refused outside of it', () => {
    const { file, remove } = inFile(weights);
    expect(() => binding.lent(new Uint8Array(10), file)).toThrow('the memory of the file');
    expect(() => file.read(99_999, 2)).toThrow('read: length');
    remove();
  });
});

describe('lent constants', () => {
  const table = Uint8Array.from({ length: 256 }, (_, i) => 255 - i);
  const lookup = (memory: NativeMemory) =>
    binding.session({
      threads: 1,
      arenaBytes: 0,
      inputBytes: [256],
      outputBytes: [256],
      commands: [
        {
          kind: 'kernel',
          kernel: { name: 'lut', count: 256 },
          arguments: {
            source: { space: 'input', index: 0 },
            table: { space: 'constant', memory },
            destination: { space: 'output', index: 0 },
          },
        },
      ],
    });

  it('are copied where runs read them', () => {
    const own = table.slice();
    const session = lookup(binding.lent(own));
    own.fill(0);
    const output = new Uint8Array(256);
    session.runSync([Uint8Array.from({ length: 256 }, (_, i) => i)], [output]);
    expect(output).toEqual(table);
  });

  it('are refused when their memory has gone elsewhere', () => {
    const own = table.slice();
    const memory = binding.lent(own);
    structuredClone(own.buffer, { transfer: [own.buffer] });
    expect(() => lookup(memory)).toThrow('transferred elsewhere');
  });

  it('give back whole pages of what is expendable, and no byte beyond', () => {
    const [bytes, first, length] = [new Int8Array(600_000).fill(1), 100_001, 400_000];
    const places = [{ at: first, inner: 1000, columns: 400 }];
    products(bytes, places, binding.lent, bytesOf(bytes));
    expect(bytes.subarray(0, first).every((byte) => byte === 1)).toBe(true);
    expect(bytes.subarray(first + length).every((byte) => byte === 1)).toBe(true);
    expect(bytes.filter((byte) => byte === 0).length).toBeGreaterThan(length - 2 * 4096);
    const others = new Int8Array(600_000).fill(1);
    products(others, places, binding.lent, bytesOf(bytes));
    expect(others.every((byte) => byte === 1)).toBe(true);
  });
});
