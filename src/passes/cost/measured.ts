/** The measurements that are shipped: none so far, so that rules of thumb serve until a machine measures its own. */
import type { CostTable } from './table.ts';

export const measured: readonly CostTable[] = [];
