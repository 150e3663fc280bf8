/** Helpers for the tests of the addon: sessions of one command, and buffers as bytes. */
import fc from 'fast-check';
import type {
  BufferRef,
  Kernel,
  KernelIsa,
  NativeMemory,
  OneDnnBinding,
  Primitive,
} from '../../src/codegen/onednn/binding.ts';
import { loadAddon } from '../../src/runtime/addon.ts';

export const binding: OneDnnBinding = loadAddon();

/** The instruction sets of kernels that this CPU has, the scalar one first. */
export const kernelIsas: readonly KernelIsa[] = (['scalar', 'avx2', 'avx512'] as const).filter((isa) => {
  try {
    binding.setKernelIsa(isa);
    return true;
  } catch {
    return false;
  } finally {
    binding.setKernelIsa(undefined);
  }
});

export type Data =
  | Uint8Array
  | Int8Array
  | Int32Array
  | Float32Array
  | Float64Array
  | Int16Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

type ElementType = 'u8' | 's8' | 's32' | 'f32';

/** A new array of a type, filled by a function. */
export function typed(type: ElementType, length: number, fill: () => number): Data {
  if (type === 'u8') return Uint8Array.from({ length }, fill);
  if (type === 's8') return Int8Array.from({ length }, fill);
  return type === 's32' ? Int32Array.from({ length }, fill) : Float32Array.from({ length }, fill);
}

export const rangeOf = (type: ElementType): { readonly low: number; readonly high: number } =>
  type === 's8' ? { low: -128, high: 127 } : { low: 0, high: 255 };

/** Uniform numbers in [0, 1), the same for the same seed. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Like toEqual, and fast for long arrays. */
export function expectSame(actual: Data, expected: ArrayLike<number | bigint>): void {
  if (actual.length !== expected.length) throw new Error(`${actual.length} elements instead of ${expected.length}`);
  for (let i = 0; i < actual.length; i++) {
    if (!Object.is(actual[i], expected[i]) && actual[i] !== expected[i]) {
      throw new Error(`element ${i} is ${actual[i]} and should be ${expected[i]}`);
    }
  }
}

export const bytesOf = (data: Data): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

export const constant = (data: Data): BufferRef => ({ space: 'constant', memory: binding.memory(bytesOf(data)) });

/** Runs one kernel: `inputs` are session inputs, `constants` constant memory, `outputs` are written to. */
export function runKernel(
  kernel: Kernel,
  inputs: Readonly<Record<string, Data>>,
  outputs: Readonly<Record<string, Data>>,
  options: { isa?: KernelIsa; threads?: number; constants?: Readonly<Record<string, Data>> } = {},
): void {
  const refs: Record<string, BufferRef> = {};
  for (const [index, name] of Object.keys(inputs).entries()) refs[name] = { space: 'input', index };
  for (const [index, name] of Object.keys(outputs).entries()) refs[name] = { space: 'output', index };
  for (const [name, data] of Object.entries(options.constants ?? {})) refs[name] = constant(data);
  binding.setKernelIsa(options.isa);
  try {
    const session = binding.session({
      threads: options.threads ?? 1,
      arenaBytes: 0,
      inputBytes: Object.values(inputs).map((data) => data.byteLength),
      outputBytes: Object.values(outputs).map((data) => data.byteLength),
      commands: [{ kind: 'kernel', kernel, arguments: refs }],
    });
    session.runSync(Object.values(inputs).map(bytesOf), Object.values(outputs).map(bytesOf));
    session.dispose();
  } finally {
    binding.setKernelIsa(undefined);
  }
}

/** Runs one primitive on data that lie as its descriptors say; the scratchpad is the arena. */
export function runPrimitive(
  primitive: Primitive,
  inputs: Readonly<Record<string, Data>>,
  destination: Data,
  constants: Readonly<Record<string, NativeMemory>> = {},
): void {
  const refs: Record<string, BufferRef> = { destination: { space: 'output', index: 0 } };
  if (primitive.scratchpadBytes > 0) refs.scratchpad = { space: 'arena', offset: 0 };
  for (const [index, name] of Object.keys(inputs).entries()) refs[name] = { space: 'input', index };
  for (const [name, memory] of Object.entries(constants)) refs[name] = { space: 'constant', memory };
  const session = binding.session({
    threads: 1,
    arenaBytes: primitive.scratchpadBytes,
    inputBytes: Object.values(inputs).map((data) => data.byteLength),
    outputBytes: [destination.byteLength],
    commands: [{ kind: 'primitive', primitive, arguments: refs }],
  });
  session.runSync(Object.values(inputs).map(bytesOf), [bytesOf(destination)]);
  session.dispose();
}

/** One rounding of binary32 each: rne(fl(fl(v)·multiplier)) + zero point, limited. */
export function requantize(v: number, multiplier: number, zeroPoint: number, low: number, high: number): number {
  const scaled = Math.fround(Math.fround(v) * multiplier);
  const limited = Math.min(Math.max(scaled, low - zeroPoint), high - zeroPoint);
  const floor = Math.floor(limited);
  const fraction = limited - floor;
  const rounded = fraction > 0.5 || (fraction === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
  return rounded + zeroPoint;
}

/** The float steps between a sum and its rounding to a byte, by their names, with factors that are drawn; ties are frequent. */
export function byteStepsOf(
  { steps, zeroPointAt }: { steps: 'none' | 'scale' | 'offset' | 'both'; zeroPointAt: 'before' | 'after' },
  channels: number,
  next: () => number,
) {
  const isHalf = next() < 0.5;
  const scale = Float32Array.from({ length: channels }, () => (isHalf ? 0.5 : next() + 0.01));
  const offset = Float32Array.from({ length: channels }, () =>
    isHalf ? Math.floor(next() * 90) : (next() - 0.5) * 900,
  );
  const [hasScale, hasOffset] = [steps === 'scale' || steps === 'both', steps === 'offset' || steps === 'both'];
  const step = (sum: number, c: number): number => {
    const scaled = hasScale ? Math.fround(Math.fround(sum) * scale[c]) : Math.fround(sum);
    return hasOffset ? Math.fround(scaled + offset[c]) : scaled;
  };
  return {
    field: zeroPointAt === 'before' ? { zeroPointAt } : {},
    constants: { ...(hasScale && { scale }), ...(hasOffset && { offset }) },
    finish(sum: number, c: number, multiplier: number, zeroPoint: number, low: number, high: number): number {
      if (zeroPointAt === 'after') return requantize(step(sum, c), multiplier, zeroPoint, low, high);
      const shifted = Math.fround(Math.fround(step(sum, c) * multiplier) + zeroPoint);
      return requantize(shifted, 1, 0, low, high);
    },
  };
}

/** The steps of a byte's end, as they are drawn. */
export const byteSteps = fc.record({
  steps: fc.constantFrom('none', 'none', 'scale', 'offset', 'both' as const),
  zeroPointAt: fc.constantFrom('after', 'after', 'before' as const),
});

/** Zero points of weights, one for each filter: 'none' is not given to the kernel. */
export function zeroPointsOf(kind: string, next: () => number, low: number): () => number {
  const one = Math.floor(next() * 256);
  if (kind === 'ends') return () => low + (next() < 0.5 ? 0 : 255);
  return () => low + (kind === 'each' ? Math.floor(next() * 256) : one);
}

/** The end of a sum as a float, by its name, with factors that are drawn. */
export function floatEndOf(name: 'none' | 'plain' | 'relu' | 'clip', channels: number, next: () => number) {
  if (name === 'none') return { field: {}, inputs: {}, finish: (sum: number) => sum };
  const [low, high] = { plain: [-Infinity, Infinity], relu: [0, Infinity], clip: [-2, 6] }[name];
  const scales = next() < 0.5 ? 1 : channels;
  const hasOffset = next() < 0.5;
  const scale = Float32Array.from({ length: scales }, () => (next() - 0.3) * 10 ** -Math.floor(4 * next()));
  const offset = Float32Array.from({ length: channels }, () => (next() - 0.5) * 20);
  const fl = Math.fround;
  return {
    field: { floats: { low, high, scales, hasOffset } },
    inputs: { scale, ...(hasOffset && { offset }) },
    finish(sum: number, channel: number): number {
      const scaled = fl(fl(sum) * scale[scales === 1 ? 0 : channel]);
      return Math.min(Math.max(hasOffset ? fl(scaled + offset[channel]) : scaled, low), high);
    },
  };
}
