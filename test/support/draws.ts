/** The number of cases that a property draws. */
import { isDeep } from '../../src/testing/draws.ts';

/** As many cases as named, and twenty times as many in a deep run. */
export const draws = (usual: number): { readonly numRuns: number } => ({ numRuns: isDeep ? 20 * usual : usual });
