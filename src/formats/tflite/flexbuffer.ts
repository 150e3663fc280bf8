/**
 * Maps of numbers in FlexBuffers, which hold the options of custom operators: https://flatbuffers.dev/flexbuffers_internals/
 *
 *   root         value, type, byte width, at the end of the bytes
 *   type         kind·4 + log2 of the byte width of its elements
 *   map at p     of n elements of width w: keys vector at p − 3w − u(p − 3w), its byte width at p − 2w, n at p − w;
 *                values from p on, their types behind them
 *   reference    at p: p − u(p)
 *
 * The reader of the package `flatbuffers` trusts its bytes, and has no end for some of them.
 */

const kinds = {
  int: 1,
  uint: 2,
  float: 3,
  indirectInt: 6,
  indirectUint: 7,
  indirectFloat: 8,
  map: 9,
  bool: 26,
} as const;

/** Longer keys, and maps of more elements, belong to no operator. */
const MOST_KEY = 64;
const MOST_ELEMENTS = 256;

class Malformed extends Error {}

class Reader {
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #inside(at: number, width: number): void {
    if (!(at >= 0 && at + width <= this.#view.byteLength)) throw new Malformed();
  }

  unsigned(at: number, width: number): number {
    this.#inside(at, width);
    if (width === 1) return this.#view.getUint8(at);
    if (width === 2) return this.#view.getUint16(at, true);
    if (width === 4) return this.#view.getUint32(at, true);
    if (width === 8) return Number(this.#view.getBigUint64(at, true));
    throw new Malformed();
  }

  signed(at: number, width: number): number {
    const n = this.unsigned(at, width);
    return width === 8
      ? Number(this.#view.getBigInt64(at, true))
      : n >= 2 ** (8 * width - 1)
        ? n - 2 ** (8 * width)
        : n;
  }

  float(at: number, width: number): number {
    this.#inside(at, width);
    if (width === 4) return this.#view.getFloat32(at, true);
    if (width === 8) return this.#view.getFloat64(at, true);
    throw new Malformed();
  }

  target(at: number, width: number): number {
    return at - this.unsigned(at, width);
  }

  /** Letters up to a zero. */
  key(at: number): string {
    const letters: number[] = [];
    for (let i = at; this.unsigned(i, 1) !== 0; i++) {
      if (letters.length === MOST_KEY) throw new Malformed();
      letters.push(this.unsigned(i, 1));
    }
    return String.fromCharCode(...letters);
  }

  /** Undefined for values other than numbers. */
  value(at: number, width: number, type: number): number | undefined {
    const own = 2 ** (type & 3);
    switch (type >> 2) {
      case kinds.int:
        return this.signed(at, width);
      case kinds.uint:
      case kinds.bool:
        return this.unsigned(at, width);
      case kinds.float:
        return this.float(at, width);
      case kinds.indirectInt:
        return this.signed(this.target(at, width), own);
      case kinds.indirectUint:
        return this.unsigned(this.target(at, width), own);
      case kinds.indirectFloat:
        return this.float(this.target(at, width), own);
      default:
        return undefined;
    }
  }

  map(): ReadonlyMap<string, number> {
    const end = this.#view.byteLength;
    const [rootType, rootWidth] = [this.unsigned(end - 2, 1), this.unsigned(end - 1, 1)];
    if (rootType >> 2 !== kinds.map) throw new Malformed();
    const width = 2 ** (rootType & 3);
    const start = this.target(end - 2 - rootWidth, rootWidth);
    const [keys, keyWidth] = [this.target(start - 3 * width, width), this.unsigned(start - 2 * width, width)];
    const count = this.unsigned(start - width, width);
    if (count > MOST_ELEMENTS) throw new Malformed();
    const result = new Map<string, number>();
    for (let i = 0; i < count; i++) {
      const type = this.unsigned(start + count * width + i, 1);
      const value = this.value(start + i * width, width, type);
      if (value !== undefined) result.set(this.key(this.target(keys + i * keyWidth, keyWidth)), value);
    }
    return result;
  }
}

/** The numbers of a map by their keys, truth values as 0 and 1; undefined for bytes that are not one. */
export function numbersOfFlexMap(bytes: Uint8Array): ReadonlyMap<string, number> | undefined {
  try {
    return new Reader(bytes).map();
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}
