/**
 * A back end computes parts of a graph. All code that depends on one is in its folder; the code that compiles or runs a
 * model uses this interface, and never asks which back end it has.
 */
import type { Graph, ITensor, Level, Node, ValueId } from '../ir/index.ts';
import type { AnyRule, Target } from '../passes/index.ts';
import type { ByteSums } from '../proofs/index.ts';
import type { Steps } from './steps.ts';
import type { Timing } from './timing.ts';

/** The largest number of threads. At most as many as there are processors are used. */
export const MOST_THREADS = 4096;

export interface Planner<P extends Plan> {
  (region: Region): P;
  /** The same in steps; absent where it takes no time. */
  readonly inSteps?: (region: Region) => Steps<P>;
}

/** Passes see the target in it. */
export interface Backend extends Target {
  /** The level of its own operators. */
  readonly level: Level;
  /** The rules that turn nodes of a legalized graph into operators of its own, stage by stage. */
  selection(): readonly (readonly AnyRule[])[];
  /** It hands its nodes to all back ends when it runs; its sessions say who computes what. */
  readonly delegates?: boolean;
  /** Undefined for a node that it computes, else why it does not. Sizes are known. */
  accepts(node: Node, graph: Graph): string | undefined;
  /** True for a node whose operands other parts compute, so that a session can look at them; absent: none does. */
  standsApart?(node: Node, graph: Graph): boolean;
  /** Decides on layouts and memory. */
  readonly plan: Planner<Plan>;
  /** Sums over 8-bit weights for proofs, where it has faster ones than TypeScript. */
  readonly byteSums?: ByteSums;
  /** Selected graphs timed on this machine, where costs of ways can be measured. */
  readonly timing?: Timing;
}

/** The code that computes, as far as costs depend on it. */
export interface Library {
  readonly name: string;
  readonly version: string;
  /** The instruction set that it dispatches to here. */
  readonly isa: string;
}

/** A part of a graph that one back end computes at once. */
export interface Region {
  /** The whole graph, of known sizes. */
  readonly graph: Graph;
  /** The nodes, each behind the nodes that it reads. */
  readonly nodes: readonly Node[];
  /** The values from elsewhere, constants aside. */
  readonly inputs: readonly ValueId[];
  /** The values that are read elsewhere. */
  readonly outputs: readonly ValueId[];
}

/** A region ready to be opened, as often as one likes. */
export interface Plan {
  /** Bytes that a session takes besides constants, buffers for inputs and outputs among them. */
  readonly bytes: number;
  /** About the bytes that it takes where another session of the model runs: these share the rest; absent: all. */
  readonly keptBytes?: number;
  /** Bytes that a run which waits takes. */
  readonly bytesOfRun: number;
  /** Bytes that a node takes while it runs, besides its operands and results; absent: none. */
  readonly scratch?: (node: Node) => number;
  /** @param expendable memory that nothing but this session reads any more; it need not be kept */
  open(expendable?: Uint8Array): Session;
  /** The same in steps; absent where it takes no time. */
  opening?(expendable?: Uint8Array): Steps<Session>;
  /** The same as numbers in a form; absent where a plan is not made of numbers. */
  form?(): PlanForm;
}

/** A plan as numbers in a form, which may be the form of plans of other sizes too. */
export interface PlanForm {
  readonly numbers: Float64Array;
  /** True when another plan differs in numbers alone. */
  matches(other: PlanForm): boolean;
  /** The plan of this form with other numbers, which are the plan's from now on. */
  with(numbers: Float64Array): Plan;
  /** Frees what sessions have left for those of other numbers. Idempotent. */
  dispose?(): void;
}

/** Inputs and outputs are in the order of the region. Results are memory of their own, or that of inputs which nobody changes. */
export interface Session {
  /**
   * Inputs are read before it returns, unless nobody changes them. A session that computes on the calling thread returns the results
   * themselves.
   */
  run(inputs: readonly ITensor[], areUnchanging?: boolean): Promise<readonly ITensor[]> | readonly ITensor[];
  /** Computes on the calling thread. */
  runSync(inputs: readonly ITensor[]): readonly ITensor[];
  /** Computes on the calling thread, with the time of each node. */
  profile(inputs: readonly ITensor[]): { readonly outputs: readonly ITensor[]; readonly times: readonly NodeTime[] };
  /** Nodes in the bodies of its own that others than the first back end compute; known once they have run. */
  readonly fallbacks?: readonly Fallback[];
  /** Frees memory at once, or when the run that computes has ended. Idempotent. */
  dispose(): void;
  /** In the place of `dispose`, where nothing runs: what it is made of may serve a session of other sizes. Absent: it is of no use. */
  retire?(): void;
}

/** A node that the first of the back ends leaves to others. */
export interface Fallback {
  /** Who computes it. */
  readonly backend: string;
  readonly node: string;
  readonly op: string;
  readonly reason: string;
}

/** The time that a node took in one run. */
export interface NodeTime {
  readonly node: string;
  readonly op: string;
  readonly microseconds: number;
  /** The part of them that it takes to hand inputs to another runtime and to take its results. */
  readonly border?: number;
}
