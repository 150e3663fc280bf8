/** State: stored tensors that a call changes and the next one reads. */

/** What is done about state. */
export const stateOptions = ['refuse', 'inputs-and-outputs'] as const;
export type StateOption = (typeof stateOptions)[number];

export const STATE_HINT =
  "a graph has no state: importModel(file, { state: 'inputs-and-outputs' }) makes stored tensors inputs, and outputs of what they become";
