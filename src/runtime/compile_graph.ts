/** `compileGraph`: a graph legalized and selected for a machine. */
import { type CompiledModel, foldAll, selectAll, targetFor } from '../codegen/index.ts';
import { type Graph, refuseTooLarge } from '../ir/index.ts';
import { type Legalized, legalizeFor } from '../passes/index.ts';
import { type AtSizes, atSizes } from './at_sizes.ts';
import { backends, costsHere, openOrder } from './backends.ts';
import { bindShapes } from './bind_shapes.ts';
import { type CompileOptions, orderOf, threadsOf } from './compile_options.ts';
import { refuseOpenSizes, refuseUnknown } from './refuse_unrunnable.ts';

/** A fresh compilation, with the parts that a compiled file does not keep. */
export interface Compilation extends CompiledModel, Pick<Legalized, 'quantized' | 'remaining' | 'account'> {
  /** The graph behind the selection of operators. */
  readonly selected: Graph;
  /** The graph for sizes of a run, of a model that is understood at known sizes alone; undefined where another plan serves it. */
  readonly atSizes?: AtSizes;
}

/**
 * The graph legalized and selected, as a compiled file holds it.
 *
 * @param waits for the sizes of a run, where the graph is understood at known ones alone
 * @throws UnskewError U2008 for an operator that nothing here computes
 */
export function compileGraph(graph: Graph, options: CompileOptions = {}, waits = false): Compilation {
  const { target, measuredCosts = true, inputShapes, kernels } = options;
  const order = orderOf(options);
  const [name] = order;
  const machine = target ?? { ...backends[name].here(threadsOf(options)), ...(kernels && { kernels }) };
  const own = target === undefined && measuredCosts ? costsHere(name, machine.threads) : [];
  const asked = openOrder(order, machine, own);
  const [backend] = asked;
  const bound = inputShapes ? bindShapes(graph, inputShapes) : graph;
  const sized = waits ? atSizes(bound) : undefined;
  if (!sized) refuseUnknown(bound, asked);
  refuseOpenSizes(bound);
  refuseTooLarge(bound, 'ever');
  const goal = targetFor(machine, backend);
  const legalized = legalizeFor(bound, goal, {
    ...(backend.byteSums && { byteSums: backend.byteSums }),
    ...(options.strategy && { strategy: options.strategy }),
    ...(options.verify !== undefined && { verify: options.verify }),
    ...(options.onProof && { onProof: options.onProof }),
  });
  const selected = selectAll(legalized.graph, backend, goal);
  return {
    graph: foldAll(selected, backend, goal),
    target: machine,
    certificate: legalized.certify(selected, backend),
    strategies: legalized.strategies,
    quantized: legalized.quantized,
    selected,
    ...(sized && { atSizes: compiledAt(sized, options, () => refuseUnknown(bound, asked)) }),
    account: legalized.account,
    get remaining() {
      return legalized.remaining;
    },
  };
}

/** @param refuse throws where the plan for all sizes does not serve either */
export const compiledAt =
  (sized: AtSizes, options: CompileOptions, refuse: () => void): AtSizes =>
  (sizes) => {
    const own = sized(sizes);
    if (!own) refuse();
    return own && compileGraph(own, { ...options, inputShapes: {} }).graph;
  };
