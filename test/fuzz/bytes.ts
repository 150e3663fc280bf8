/** Damage of bytes without knowledge of their format. */
import type { Draw } from './draw.ts';

/** Flips a bit, removes, inserts or repeats some bytes, or cuts off the end. */
export function damaged(data: Uint8Array, draw: Draw): Uint8Array {
  if (data.length === 0) return Uint8Array.of(draw(256));
  const at = draw(data.length);
  const length = 1 + draw(8);
  switch (draw(8)) {
    case 0:
      return Buffer.concat([data.subarray(0, at), data.subarray(at + length)]);
    case 1:
      return Buffer.concat([
        data.subarray(0, at),
        Buffer.from(Array.from({ length }, () => draw(256))),
        data.subarray(at),
      ]);
    case 2:
      return Buffer.concat([data.subarray(0, at + length), data.subarray(at)]);
    case 3:
      return data.slice(0, at);
    case 4: {
      const changed = data.slice();
      changed[at] = [0, 1, 0x7f, 0x80, 0xff][draw(5)];
      return changed;
    }
    default: {
      const changed = data.slice();
      changed[at] ^= 1 << draw(8);
      return changed;
    }
  }
}
