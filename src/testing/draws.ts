/** The number of graphs to draw, and the seed. */
export const isDeep = process.env.UNSKEW_DEEP !== undefined;

export const defaultRuns = isDeep ? 10_000 : 200;

/** UNSKEW_SEED or a fixed one, so that a new failure comes from a change; with UNSKEW_DEEP another one every time. */
export const defaultSeed = (): number => Number(process.env.UNSKEW_SEED ?? (isDeep ? Date.now() & 0x7fffffff : 665));
