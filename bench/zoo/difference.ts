/** The differences between the outputs of two engines. */
import type { StoredTensor, StoredTensors } from './protocol.ts';

export interface Difference {
  /** Elements of integers and bools that differ, of how many. */
  readonly integers: number;
  readonly integersOf: number;
  /** Elements of floats whose bits differ, of how many. */
  readonly floatBits: number;
  readonly floatsOf: number;
  /** The largest difference of f32 over the largest magnitude of its output; null where an element is NaN on one side alone. */
  readonly floats: number | null;
}

const bytesOfType: Readonly<Record<string, number>> = { bool: 1, int8: 1, uint8: 1, int16: 2, uint16: 2 };
const widthOf = (type: string): number => bytesOfType[type] ?? Number(/\d+$/.exec(type)?.[0] ?? 8) / 8;

/** Outputs are paired by name, else by position: some engines rename them. */
export function differenceOf(ours: StoredTensors, theirs: StoredTensors): Difference {
  let [integers, integersOf, floatBits, floatsOf] = [0, 0, 0, 0];
  let floats: number | null = 0;
  const positions = Object.values(ours);
  for (const [position, [name, other]] of Object.entries(theirs).entries()) {
    const own: StoredTensor | undefined = ours[name] ?? positions[position];
    const [a, b] = [own, other].map((tensor) => Buffer.from(tensor?.data ?? '', 'base64'));
    const width = widthOf(other.type);
    const count = Math.max(a.length, b.length) / width;
    let differing = 0;
    for (let i = 0; i < count; i++)
      if (!a.subarray(i * width, (i + 1) * width).equals(b.subarray(i * width, (i + 1) * width))) differing++;
    if (other.type.includes('float')) {
      floatBits += differing;
      floatsOf += count;
    } else {
      integers += differing;
      integersOf += count;
    }
    if (other.type !== 'float32' || differing === 0) continue;
    const largest = a.length === b.length ? largestOf(floatsIn(a), floatsIn(b)) : null;
    floats = floats === null || largest === null ? null : Math.max(floats, largest);
  }
  return { integers, integersOf, floatBits, floatsOf, floats };
}

const floatsIn = (bytes: Buffer): Float32Array => new Float32Array(Uint8Array.from(bytes).buffer);

function largestOf(x: Float32Array, y: Float32Array): number | null {
  let [largest, magnitude] = [0, 0];
  for (let i = 0; i < y.length; i++) {
    if (Object.is(x[i], y[i])) continue;
    const difference = Math.abs(x[i] - y[i]);
    if (Number.isNaN(difference)) return null;
    largest = Math.max(largest, difference);
  }
  for (const value of y) if (Number.isFinite(value)) magnitude = Math.max(magnitude, Math.abs(value));
  return Number.isFinite(largest) ? largest / (magnitude || 1) : null;
}
