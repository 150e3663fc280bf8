/** A native plan as numbers in a form: the template of its session, the buffers of its arena, the shapes of its results. */
import { assert } from '../../diagnostics/index.ts';
import type { Node } from '../../ir/index.ts';
import type { Plan, PlanForm } from '../backend.ts';
import { ArenaLayout } from './arena_layout.ts';
import type { Arenas, NativeSession, OneDnnBinding, SessionTemplate, TemplateSizes } from './binding.ts';
import type { OutputType } from './counted.ts';
import { type Follower, followersOf } from './kernels/following.ts';
import { bytesOfPlan, open } from './open_session.ts';
import type { Recording } from './recorder.ts';

/** So many idle sessions are kept at most. */
const MOST_IDLE = 2;

export class NativeForm implements PlanForm {
  readonly numbers: Float64Array;
  readonly #nodes: readonly Node[];
  /** The recording without its commands, which the template has. */
  readonly #recording: Omit<Recording, 'spec'>;
  readonly #types: readonly OutputType[];
  readonly #template: SessionTemplate;
  /** How many of the numbers are of the template; then come bytes of buffers, then sizes of results. */
  readonly #ofTemplate: number;
  readonly #border: number;
  readonly #followers: readonly Follower[];
  /** Those that nobody uses: a session of other sizes takes one over. */
  readonly #idle: NativeSession[] = [];
  #isDisposed = false;
  #layout: ArenaLayout | undefined;

  constructor(
    nodes: readonly Node[],
    { spec, ...recording }: Recording,
    types: readonly OutputType[],
    binding: OneDnnBinding,
    arenas?: Arenas,
  ) {
    this.#nodes = nodes;
    this.#recording = recording;
    this.#types = types;
    this.#template = binding.sessionTemplate(spec, arenas);
    const numbers = this.#template.numbers();
    this.#ofTemplate = numbers.length;
    const { inputBytes, outputBytes, commands } = spec;
    const { followers, count } = followersOf(
      commands.flatMap((command) => (command.kind === 'kernel' ? [command.kernel] : [])),
    );
    this.#border = inputBytes.length + outputBytes.length;
    assert(this.#border + count === numbers.length, 'the addon counts the numbers of kernels as JavaScript does');
    this.#followers = followers;
    // a number that follows from others is not a polynomial: a plan of other sizes computes it anew from them
    for (const { at } of followers) numbers[this.#border + at] = 0;
    const bytes = recording.arena.map((buffer) => buffer.bytes);
    this.numbers = Float64Array.of(...numbers, ...bytes, ...types.flatMap(({ shape }) => shape));
  }

  matches(other: PlanForm): boolean {
    if (!(other instanceof NativeForm)) return false;
    const [mine, theirs] = [this.#recording, other.#recording];
    const sameLives =
      mine.arena.length === theirs.arena.length &&
      mine.arena.every(({ first, last }, i) => first === theirs.arena[i].first && last === theirs.arena[i].last);
    const samePlaces =
      mine.places.length === theirs.places.length && mine.places.every((at, i) => at === theirs.places[i]);
    return (
      sameLives &&
      samePlaces &&
      this.#types.every(({ shape }, i) => shape.length === other.#types[i].shape.length) &&
      this.#template.matches(other.#template)
    );
  }

  with(numbers: Float64Array): Plan {
    const { arena, places, labels } = this.#recording;
    let at = this.#ofTemplate + arena.length;
    const types = this.#types.map((type): OutputType => ({ ...type, shape: type.shape.map(() => numbers[at++]) }));
    const needed = numbers.subarray(this.#ofTemplate, this.#ofTemplate + arena.length);
    if (!this.#layout?.holds(needed)) this.#layout = new ArenaLayout(arena, needed, places, this.#layout);
    const { offsets, bytes: arenaBytes } = this.#layout;
    const border = numbers.subarray(0, this.#border);
    const own = numbers.subarray(0, this.#ofTemplate);
    for (const { at, from, value } of this.#followers) own[this.#border + at] = value(own[this.#border + from]);
    const sizes = { numbers: own, offsets, arenaBytes };
    return {
      ...bytesOfPlan(arenaBytes, [...border], labels.length),
      open: () =>
        open({ nodes: this.#nodes, labels, types }, this.#sessionAt(sizes), (session) => this.#retire(session)),
    };
  }

  dispose(): void {
    this.#isDisposed = true;
    for (const session of this.#idle.splice(0)) session.dispose();
  }

  #sessionAt(sizes: TemplateSizes): NativeSession {
    const idle = this.#idle.pop();
    if (idle === undefined) return this.#template.session(sizes);
    try {
      this.#template.resize(idle, sizes);
      return idle;
    } catch (error) {
      this.#retire(idle);
      throw error;
    }
  }

  #retire(session: NativeSession): void {
    if (this.#isDisposed || this.#idle.length >= MOST_IDLE) session.dispose();
    else this.#idle.push(session);
  }
}
