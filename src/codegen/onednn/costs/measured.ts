/** The shipped measurements; docs/strategies.md tells their origin and how to repeat them. */
import { amx } from './measured_amx.ts';
import type { CostTable } from './measured_rows.ts';
import { vnni } from './measured_vnni.ts';

export const measured: readonly CostTable[] = [...vnni, ...amx];
