import type { ITensor } from '../../tensors/index.ts';
import { attr, defineOp, tensorOf, variadic } from '../define_op.ts';
import { anything, capturedFeeds, checkBody, everyType, follow, resultTypes, type Steps } from './control.ts';

/** The graph `thenBranch` where the condition is true, else `elseBranch`. */
export const controlIf = defineOp({
  name: 'control.if',
  doc: 'The outputs of the graph `thenBranch` where `cond`, one element, is true, else those of `elseBranch`. The graphs read `rest` by the names in `captures`. `results` are the types of the results as text: sizes in which the branches differ are symbols of their own, known when it has run.',
  operands: { cond: tensorOf('bool'), rest: variadic(anything) },
  attrs: { captures: attr.strings(), thenBranch: attr.graph(), elseBranch: attr.graph(), results: attr.types() },
  results: { y: everyType },
  traits: ['bodies'],
  infer({ cond, rest }, { captures, thenBranch, elseBranch, results }, refuse) {
    if (cond.shape.some((dim) => typeof dim === 'number' && dim !== 1)) refuse('the condition has one element', 'cond');
    const outputs = resultTypes(results, refuse);
    const border = { own: [], captures, captured: rest, outputs };
    checkBody('thenBranch', thenBranch, border, refuse);
    checkBody('elseBranch', elseBranch, border, refuse);
    return outputs;
  },
  evaluate: (tensors, attrs, _types, run) => follow(ifSteps(tensors, attrs), run),
});

interface Branches {
  readonly captures: readonly string[];
  readonly thenBranch: Parameters<typeof capturedFeeds>[0];
  readonly elseBranch: Parameters<typeof capturedFeeds>[0];
}

/** Runs the branch, and gives its outputs. */
export function* ifSteps(
  { cond, rest }: { readonly cond: ITensor; readonly rest: readonly (ITensor | null)[] },
  attrs: Branches,
): Steps {
  const body = cond.data[0] ? 'thenBranch' : 'elseBranch';
  return yield { body, feeds: capturedFeeds(attrs[body], attrs.captures, rest) };
}
