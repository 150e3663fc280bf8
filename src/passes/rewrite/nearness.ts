/**
 * Ranks the misses of rules by how near each rule came to firing. Every miss comes from a rule that looked at a node of
 * its root operator; its rank depends on what the rule found there:
 *
 *   0  something can be done: the miss says what would help
 *   1  the rule found what it is about, and one of its values does not fit: the miss names the value
 *   2  a property of the node itself rules it out
 *   3  the rule is about other operators than those that are there
 */
import { isUnrelated } from './plan.ts';
import type { MissReason } from './rule.ts';

export type Nearness = 0 | 1 | 2 | 3;

export function nearness(miss: MissReason): Nearness {
  if (isUnrelated(miss)) return 3;
  if (miss.hint !== undefined) return 0;
  return miss.operand === undefined ? 2 : 1;
}
