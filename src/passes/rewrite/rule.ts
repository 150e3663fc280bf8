/**
 * A rewrite rule: one declared object with a law. The test suite, `explain`, the docs and the certificate all read the
 * same object; a rule cannot be added without its law being tested.
 */
import { assert } from '../../diagnostics/index.ts';
import type {
  AnyOp,
  AttrSpecs,
  AttrValues,
  DType,
  ITensor,
  Node,
  OpDeclaration,
  OperandSpecs,
  OperandValues,
  OpName,
  ResultSpecs,
  Value,
  ValueId,
} from '../../ir/index.ts';
import type { Algebra } from './algebra.ts';
import type { GraphEditor } from './editor.ts';

/** Why a rule did not fire. */
export interface Miss {
  readonly rule: string;
  readonly node: Node;
  readonly reason: string;
  readonly operand?: ValueId;
  readonly hint?: string;
}

export type MissMaker = (reason: string, operand?: Value, hint?: string) => MissReason;
export interface MissReason {
  readonly reason: string;
  readonly operand?: ValueId;
  readonly hint?: string;
}

/** The argument of a rule: operands by name, attributes, the root node, and read access to the surrounding graph. */
export type Match<O extends OperandSpecs = OperandSpecs, A extends AttrSpecs = AttrSpecs> = OperandValues<O> & {
  readonly attrs: AttrValues<A>;
  readonly node: Node;
  readonly graph: GraphEditor;
  /** The tensor of a constant operand, undefined for an absent or computed one. */
  readonly constant: <D extends DType>(v: Value<D> | undefined) => ITensor<D> | undefined;
};

export type Exactness = 'bit-exact' | { readonly bound: string };

export interface Rule<
  O extends OperandSpecs = OperandSpecs,
  A extends AttrSpecs = AttrSpecs,
  R extends ResultSpecs = ResultSpecs,
> {
  readonly name: string;
  readonly root: OpDeclaration<O, A, R, OpName>;
  /** The equation: the root on the left side, the emitted nodes on the right. */
  readonly law: string;
  readonly exactness: Exactness;
  /** Undefined when the rule applies, else the reason why not, in the order in which a reader would check. */
  where?(match: Match<O, A>, miss: MissMaker): MissReason | undefined;
  /** Emits the right side; the result (or results in declared order) stands for the root's. */
  rewrite(match: Match<O, A>, algebra: Algebra): Value | readonly Value[];
  /** A plausible mistake in the law: the rule's own generator must refute it. */
  readonly wrong?: { readonly what: string; rewrite(match: Match<O, A>, algebra: Algebra): Value | readonly Value[] };
}

// biome-ignore lint/suspicious/noExplicitAny: methods of different parameters share no other supertype
export type AnyRule = Rule<any, any, any>;

export function defineRule<O extends OperandSpecs, A extends AttrSpecs, R extends ResultSpecs>(
  rule: Rule<O, A, R>,
): Rule<O, A, R> {
  return Object.freeze(rule);
}

/** The match of a rule at a node of its root operator. */
export function matchOf(graph: GraphEditor, node: Node): Match<AnyOp['operands'], AnyOp['attrs']> {
  return Object.assign(graph.viewOf<AnyOp>(node), { graph, constant: graph.tensor });
}

/** A value that `where` has seen to be there. */
export function present<T>(value: T | undefined): T {
  assert(value !== undefined, 'a rule is applied where it does not match');
  return value;
}
