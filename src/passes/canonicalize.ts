import type { Pass } from './pass.ts';
import { applyRulesTo } from './rewrite/driver.ts';
import { GraphEditor } from './rewrite/editor.ts';
import type { AnyRule } from './rewrite/rule.ts';
import { addOfAdd } from './rules/canon_add.rule.ts';
import { clipOfMax, clipOfMin } from './rules/canon_clip.rule.ts';
import { noCast, noIdentity, noReshape, noTranspose } from './rules/canon_identity.rule.ts';
import { reshapeOfReshape, transposeOfTranspose } from './rules/canon_movement.rule.ts';

export const canonicalRules: readonly AnyRule[] = [
  noIdentity,
  noCast,
  noReshape,
  noTranspose,
  reshapeOfReshape,
  transposeOfTranspose,
  addOfAdd,
  clipOfMax,
  clipOfMin,
];

/** Misses are not reported: a node that is canonical already is not news. */
export const canonicalize: Pass = {
  name: 'canonicalize',
  doc: 'What does nothing and what nobody reads goes away; what can be written in two ways is written in one.',
  from: 'qnn',
  to: 'qnn',
  run(graph) {
    const editor = new GraphEditor(graph);
    editor.removeDead('dead-code');
    applyRulesTo(editor, canonicalRules);
    return editor.commit();
  },
};
