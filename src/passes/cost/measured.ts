/** The measurements that are shipped; see docs/strategies.md for where they come from and how to make them anew. */
import { amx } from './measured_amx.ts';
import { vnni } from './measured_vnni.ts';
import type { CostTable } from './table.ts';

export const measured: readonly CostTable[] = [...vnni, ...amx];
