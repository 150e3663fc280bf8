/**
 * Rules that look at more than their root make a plan first. `where` keeps its refusal, `rewrite` its result: both read
 * the same code, top to bottom, in the order in which a reader would check.
 */
import type { Value } from '../../ir/index.ts';
import type { Algebra } from './algebra.ts';
import type { Match, Miss, MissMaker, MissReason } from './rule.ts';

/** The place that a rule looks at: the part that every match has. */
export type Site = Pick<Match, 'graph' | 'node'>;

/** Gives a group up, with the reason, the value at fault, and a hint. */
export type Refuse = (reason: string, operand?: Value, hint?: string) => never;

export interface Refusals {
  /** The group is of this kind, but something about it is not legal: `explain` shows the reason. */
  readonly refuse: Refuse;
  /** The group is of another kind. */
  readonly unrelated: (reason: string) => never;
}

class Refusal {
  readonly miss: MissReason & { readonly unrelated?: true };
  constructor(miss: Refusal['miss']) {
    this.miss = miss;
  }
}

const refusals: Refusals = {
  refuse: (reason, operand, hint) => {
    throw new Refusal({ reason, ...(operand && { operand: operand.id }), ...(hint && { hint }) });
  },
  unrelated: (reason) => {
    throw new Refusal({ reason, unrelated: true });
  },
};

/** True when a miss only says that the rule is about other operators than those found. */
export const isUnrelated = (miss: Miss | MissReason): boolean => 'unrelated' in miss;

/** The result of `body`, or the reason why it refused. */
export function attempt<T>(body: (refusals: Refusals) => T): { readonly found: T } | { readonly miss: MissReason } {
  try {
    return { found: body(refusals) };
  } catch (thrown) {
    if (thrown instanceof Refusal) return { miss: thrown.miss };
    throw thrown;
  }
}

type Emit<M, P> = (plan: P, algebra: Algebra, match: M) => Value;

/** `where`, `rewrite` and `wrong` of a rule with a plan, which is worked out once for a match. */
export function planned<M extends object, P>(
  plan: (match: M, refusals: Refusals) => P,
  emit: Emit<M, P>,
  wrong: { readonly what: string; readonly emit: Emit<M, P> },
) {
  const plans = new WeakMap<M, P>();
  const planOf = (match: M): P => plans.get(match) ?? plan(match, refusals);
  return {
    where(match: M, _miss: MissMaker): MissReason | undefined {
      const outcome = attempt((to) => plan(match, to));
      if ('miss' in outcome) return outcome.miss;
      plans.set(match, outcome.found);
      return undefined;
    },
    rewrite: (match: M, algebra: Algebra): Value => emit(planOf(match), algebra, match),
    wrong: {
      what: wrong.what,
      rewrite: (match: M, algebra: Algebra): Value => wrong.emit(planOf(match), algebra, match),
    },
  };
}
