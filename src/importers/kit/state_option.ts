/** State: stored tensors that a call changes and the next one reads. */

/** The treatments of state. */
export const stateOptions = ['refuse', 'inputs-and-outputs'] as const;
export type StateOption = (typeof stateOptions)[number];

export const STATE_HINT =
  "a graph has no state: importModel(file, { state: 'inputs-and-outputs' }), or --state inputs-and-outputs, makes stored tensors inputs, and outputs of their new values";
