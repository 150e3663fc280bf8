/** The checker: two graphs in, obligations out. It sees nothing of the passes whose work it judges. */

export type { ByteSums } from './byte_sums.ts';
export { type CheckedRegion, checkGraphs, type OnProof } from './check.ts';
export { channelAxis, type Fused, fusedOf } from './fused.ts';
export { isProved, isRefuted, type Obligation, type Witness, type WitnessInput, witnessFeeds } from './obligation.ts';
export { highest, magnitude, Ranges } from './range.ts';
export { bounds, differences, type Recipe, recipeOf, type Step } from './rounding.ts';
export { Session } from './session.ts';
export { integers } from './terms.ts';
export { Weights } from './weights.ts';
