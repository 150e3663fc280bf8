/** Placeholder until measured. */
import type { CostTable } from './table.ts';

export const measured: readonly CostTable[] = [];
