/** The places of buffers in an arena, for many sizes: each buffer has room, so that it stays in its place when it grows a little. */
import { type Lifetime, planMemory } from './memory_plan.ts';

/** The room of a buffer that grows: this part of it, and at least so many bytes. */
const PART = 1 / 8;
const LEAST_ROOM = 2 ** 14;
/** An arena that is so many times as large as needed is laid out anew. */
const TOO_LARGE = 2;

type Life = Pick<Lifetime, 'first' | 'last'>;

export class ArenaLayout {
  /** By the references of commands to the arena. */
  readonly offsets: Float64Array;
  readonly bytes: number;
  readonly #rooms: Float64Array;
  /** The order of placement. */
  readonly #order: number[];

  /**
   * @param needed bytes of each buffer
   * @param places the buffer that each reference means
   * @param before a layout that does not hold these buffers: those of other sizes than in it get room
   */
  constructor(lives: readonly Life[], needed: Float64Array, places: readonly number[], before?: ArenaLayout) {
    const rooms = needed.map((bytes, i) =>
      before === undefined || before.#rooms[i] === bytes ? bytes : bytes + Math.max(bytes * PART, LEAST_ROOM),
    );
    this.#order = before ? before.#order : lives.map((_, i) => i);
    const buffers = lives.map(({ first, last }, i): Lifetime => ({ first, last, bytes: rooms[i] }));
    const { offsets, bytes } = planMemory(buffers, undefined, this.#order);
    this.#rooms = rooms;
    this.bytes = bytes;
    this.offsets = Float64Array.from(places, (place) => offsets[place]);
  }

  /** True when all buffers have room here, and not far too much of it. */
  holds(needed: Float64Array): boolean {
    let [held, wanted] = [0, 0];
    for (let i = 0; i < needed.length; i++) {
      const [room, bytes] = [this.#rooms[i], needed[i]];
      if (bytes > room) return false;
      held += room;
      wanted += bytes;
    }
    return held <= TOO_LARGE * (wanted + LEAST_ROOM * needed.length);
  }
}
