/** The number of graphs to draw, and the seed. */
const environment = globalThis.process?.env ?? {};

export const isDeep = environment.UNSKEW_DEEP !== undefined;

export const defaultRuns = isDeep ? 10_000 : 200;

/** UNSKEW_SEED or a fixed one, so that a new failure comes from a change; with UNSKEW_DEEP another one every time. */
export const defaultSeed = (): number => Number(environment.UNSKEW_SEED ?? (isDeep ? Date.now() & 0x7fffffff : 665));
