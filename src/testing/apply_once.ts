import type { Graph } from '../ir/index.ts';
import { type AnyRule, GraphEditor, matchOf, tryRule } from '../passes/index.ts';

/** The graph with the rule applied once at every node where it matches; undefined when there is none. */
export function applyOnce(graph: Graph, rule: AnyRule): Graph | undefined {
  const editor = new GraphEditor(graph);
  let fired = false;
  for (const id of editor.nodeIds) {
    const node = editor.node(id);
    if (node?.op === rule.root.name) fired = tryRule(editor, rule, node) || fired;
  }
  return fired ? editor.commit().graph : undefined;
}

/** True when the rule matches anywhere; nothing is rewritten. A condition that throws counts as a match. */
export function matches(graph: Graph, rule: AnyRule): boolean {
  const editor = new GraphEditor(graph);
  return editor.nodeIds.some((id) => {
    const node = editor.node(id);
    if (node?.op !== rule.root.name) return false;
    try {
      return rule.where?.(matchOf(editor, node), (reason) => ({ reason })) === undefined;
    } catch {
      return true;
    }
  });
}
