/** The pass from level nn to the level of a back end. Host-independent: a compiled file stores its result. */
import { applyRules, type Pass, type PassResult } from '../passes/index.ts';
import type { Backend } from './backend.ts';

export const select = ({ level, selection }: Pick<Backend, 'level' | 'selection'>): Pass => ({
  name: 'select',
  doc: 'Fuses products with bias, correction, requantize and clamp into the operators of a back end.',
  from: 'nn',
  to: level,
  run(graph, context) {
    const steps: PassResult[] = [];
    for (const rules of selection()) steps.push(applyRules(steps.at(-1)?.graph ?? graph, rules, context));
    return {
      graph: steps.at(-1)?.graph ?? graph,
      events: steps.flatMap((s) => s.events ?? []),
      patches: steps.flatMap((s) => s.patches ?? []),
      inversePatches: steps.reverse().flatMap((s) => s.inversePatches ?? []),
    };
  },
});
