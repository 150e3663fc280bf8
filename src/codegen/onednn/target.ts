/** The capabilities of a machine that oneDNN runs on. */
import type { CostRow, Target } from '../../passes/index.ts';
import { costModel } from './costs/index.ts';
import { floats } from './floats.ts';
import { hasVnni, type Machine } from './machine.ts';
import { costByOurKernel, takesZeroPoints } from './our_kernel.ts';
import { owes } from './owes.ts';

/** @param own costs that were measured on that machine */
export function targetOf(machine: Machine, own?: readonly CostRow[]): Target {
  const { isa, onednnMajor = 2, kernels } = machine;
  const hasKernels = kernels !== 'onednn';
  // Without VNNI oneDNN halves s8 weights against s8 sources and loses bits.
  const unsignedSources = !hasVnni(isa);
  return {
    name: 'onednn',
    capabilities: {
      executes: true,
      sourceZeroPoint: true,
      unsignedSources,
      // Deconvolutions of oneDNN 2.x take 2.7 to 7.5 times as long over s8 sources as over u8 ones.
      unsignedTransposedSources: unsignedSources || onednnMajor < 3,
      // Measured: faster with AVX-512, undecided on AVX2; with VNNI kernels of ours take most weights as they are.
      copies: isa === 'avx512' ? 'few' : 'never',
    },
    costs: costModel(machine, own),
    costFor: (product, weights, way, usual) =>
      hasKernels ? costByOurKernel(product, weights, isa, way, usual) : usual,
    takesZeroPoints: (product, graph) => hasKernels && takesZeroPoints(product, graph, isa),
    owes: (graph, session) => owes(graph, machine, session),
    floats,
  };
}
