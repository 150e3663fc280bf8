/** The measurements that are shipped; see docs/strategies.md for where they come from and how to make them anew. */
import { amx } from './measured_amx.ts';
import type { CostTable } from './measured_rows.ts';
import { vnni } from './measured_vnni.ts';

export const measured: readonly CostTable[] = [...vnni, ...amx];
