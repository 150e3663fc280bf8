/** Names of the back ends, which the command line knows without loading them. */

/** Those that a model can be compiled for. The one that runs models unless told otherwise comes first. */
export const backendNames = ['onednn', 'reference'] as const;
export type BackendName = (typeof backendNames)[number];
export const usualBackend = backendNames[0];

/** ONNX Runtime computes what others leave over, and no model is compiled for it. */
export const allBackendNames = [...backendNames, 'onnxruntime'] as const;
export type AnyBackendName = (typeof allBackendNames)[number];

/** The order in which back ends are asked for a node; the first one is compiled for. */
export type BackendOrder = readonly [BackendName, ...AnyBackendName[]];
