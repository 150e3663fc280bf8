/** The pass from level nn to level dnnl. Host-independent: a compiled file stores its result. */
import type { Pass, PassResult } from '../../../passes/pass.ts';
import { applyRules } from '../../../passes/rewrite/driver.ts';
import { selectRules } from './select.rules.ts';

export const select: Pass = {
  name: 'select',
  doc: 'Fuses products with bias, correction, requantize and clamp into one operator per oneDNN primitive or kernel of ours.',
  from: 'nn',
  to: 'dnnl',
  run(graph, context) {
    const steps: PassResult[] = [];
    for (const rules of selectRules) steps.push(applyRules(steps.at(-1)?.graph ?? graph, rules, context));
    return {
      graph: steps.at(-1)?.graph ?? graph,
      events: steps.flatMap((s) => s.events ?? []),
      patches: steps.flatMap((s) => s.patches ?? []),
      inversePatches: steps.reverse().flatMap((s) => s.inversePatches ?? []),
    };
  },
};

export { selectRules } from './select.rules.ts';
