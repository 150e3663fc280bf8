/** The costs of corrections: measurements of this machine first, then the shipped ones. */
import { type CostModel, type CostRow, costIn } from '../../../passes/index.ts';
import type { Machine } from '../machine.ts';
import { measured } from './measured.ts';
import type { CostTable } from './measured_rows.ts';

/** Up to this distance, in doublings, a measurement of this machine beats a nearer one of the shipped table. */
const OWN_REACH = 1;

/** `own`: measurements of the machine itself. */
export function costModel(machine: Machine, own: readonly CostRow[] = []): CostModel {
  const shipped = shippedFor(machine);
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

/** The table for this ISA and version of oneDNN, of the number of threads nearest to the machine's. */
export function shippedFor(
  { isa, threads, onednnMajor = 2 }: Machine,
  tables: readonly CostTable[] = measured,
): CostTable | undefined {
  const distance = (table: CostTable): number => Math.abs(Math.log2(table.threads / threads));
  return tables
    .filter((table) => table.isa === isa && table.onednnMajor === onednnMajor)
    .sort((a, b) => distance(a) - distance(b))
    .at(0);
}
