/**
 * Applies rules until none fires: a worklist in topological order, linear in nodes plus rewrites. Stops with an error
 * that shows the last rewrites when a bound is hit, because rules that undo each other would run forever.
 */
import { assert, fail } from '../../diagnostics/index.ts';
import { formatType, type Graph, type Node, sameShape, type Value } from '../../ir/index.ts';
import { Algebra } from './algebra.ts';
import { type EditResult, GraphEditor } from './editor.ts';
import { type AnyRule, type Miss, matchOf } from './rule.ts';

export interface ApplyOptions {
  /** Called for every rule that looked at a node of its root operator and did not fire. */
  readonly onMiss?: (miss: Miss) => void;
  /** Restricts which rules may look at a node: how strategies are chosen per node. */
  readonly filter?: (rule: AnyRule, node: Node, graph: GraphEditor) => boolean;
}

/** Rewrites per node of the original graph after which rules are taken to run in circles. */
const BOUND = 50;

/** Tries the rules, in order, at every node, and at every node that a rewrite made or fed anew. */
export function applyRules(graph: Graph, rules: readonly AnyRule[], options: ApplyOptions = {}): EditResult {
  const editor = new GraphEditor(graph);
  applyRulesTo(editor, rules, options);
  return editor.commit();
}

/** The same in an edit under way: for passes in stages. */
export function applyRulesTo(editor: GraphEditor, rules: readonly AnyRule[], options: ApplyOptions = {}): void {
  const byRoot = new Map<string, AnyRule[]>();
  for (const rule of rules) byRoot.set(rule.root.name, [...(byRoot.get(rule.root.name) ?? []), rule]);

  const queue = [...editor.nodeIds];
  const waiting = new Set(queue);
  const limit = (queue.length + 10) * BOUND;
  const recent: string[] = [];
  for (let at = 0, rewrites = 0; at < queue.length; at++) {
    waiting.delete(queue[at]);
    const node = editor.node(queue[at]);
    if (node === undefined) continue;
    const fired = byRoot
      .get(node.op)
      ?.find(
        (rule) => (options.filter?.(rule, node, editor) ?? true) && tryRule(editor, rule, node, options.onMiss, add),
      );
    if (fired === undefined) continue;
    recent.push(`${fired.name} at %${node.id}`);
    if (++rewrites > limit) {
      fail('U6001', `the rules ${[...new Set(recent.slice(-20))].join(', ')} keep undoing one another`, node.loc);
    }
  }

  function add(ids: Iterable<Node['id']>): void {
    for (const id of ids) {
      if (waiting.has(id)) continue;
      waiting.add(id);
      queue.push(id);
    }
  }
}

/** Applies one rule at one node when it matches. */
export function tryRule(
  editor: GraphEditor,
  rule: AnyRule,
  node: Node,
  onMiss?: (miss: Miss) => void,
  affected?: (ids: Iterable<Node['id']>) => void,
): boolean {
  const match = matchOf(editor, node);
  const missed = rule.where?.(match, (reason, operand, hint) => ({
    reason,
    ...(operand && { operand: operand.id }),
    ...(hint && { hint }),
  }));
  if (missed) {
    onMiss?.({ rule: rule.name, node, ...missed });
    return false;
  }
  const results = rule.rewrite(match, new Algebra(editor, node.loc));
  const list: readonly Value[] = Array.isArray(results) ? results : [results];
  list.forEach((value, i) => {
    const old = editor.type(node.results[i]);
    const same = value.type.dtype === old.dtype && sameShape(value.type.shape, old.shape);
    assert(same, `${rule.name}: ${formatType(old)} was rewritten to ${formatType(value.type)}`);
  });
  const added = editor.replace(rule.name, node, list);
  affected?.(added);
  return true;
}
