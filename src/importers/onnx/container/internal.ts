/** The wire level of the container, for the exporter that splices files; everyone else uses `index.ts`. */
export { Context, Source } from './context.ts';
export { canonicalDomain } from './graph.ts';
export { readMessage } from './message.ts';
export * as schema from './schema.ts';
export { BYTES, Cursor } from './wire.ts';
export { type Encoded, eachField, field, intField, lengthOf, replaced, textField } from './write.ts';
