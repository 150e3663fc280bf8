/** The cost model of a target: what was measured on this machine first, then what is shipped, else nothing. */
import type { Target } from '../target.ts';
import type { LayerClass } from './layer_class.ts';
import { measured } from './measured.ts';
import { type CostRow, type CostTable, costIn } from './table.ts';

export interface CostModel {
  /** Where the numbers come from, for people. */
  readonly origin: string;
  /** Relative to the symmetric layer; undefined when nothing comparable was measured. */
  costOf(way: string, layer: LayerClass): number | undefined;
}

/** How far, in doublings, a measurement of this machine counts for more than a nearer one of the shipped table. */
const OWN_REACH = 1;

/**
 * Nobody knows who will run an exported file, so its forms decide: a folded or padded layer stays one QLinearConv, a map
 * takes an integer convolution and operators after it.
 */
const exported: CostModel = {
  origin: 'forms in ONNX',
  costOf: (way) => ({ fold: 1, pad: 1.05, 'border-table': 2 })[way],
};

/** `own`: measurements of the machine that the target is. */
export function costModel(target: Target, own: readonly CostRow[] = []): CostModel {
  if (target.name === 'symmetric') return exported;
  const shipped = shippedFor(target);
  const origins = [
    ...(own.length > 0 ? ['measured on this machine'] : []),
    shipped
      ? `shipped: ${shipped.isa}, oneDNN ${shipped.onednnMajor}, ${shipped.threads} thread${shipped.threads === 1 ? '' : 's'}`
      : 'rules of thumb',
  ];
  return {
    origin: origins.join(', else '),
    costOf: (way, layer) => costIn(own, way, layer, OWN_REACH) ?? (shipped && costIn(shipped.rows, way, layer)),
  };
}

/** The table for this ISA and version of oneDNN, of the number of threads nearest to the target's. */
export function shippedFor(
  { isa, threads, onednnMajor = 2 }: Target,
  tables: readonly CostTable[] = measured,
): CostTable | undefined {
  const distance = (table: CostTable): number => Math.abs(Math.log2(table.threads / threads));
  return tables
    .filter((table) => table.isa === isa && table.onednnMajor === onednnMajor)
    .sort((a, b) => distance(a) - distance(b))
    .at(0);
}
