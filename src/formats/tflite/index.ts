/** Files of TensorFlow Lite: everything that one says, typed and checked, and what its numbers mean left to the importer. */
export { numbersOfFlexMap } from './flexbuffer.ts';
export type * from './model.ts';
export { openTflite, readOptions } from './open.ts';
export type { Activation, OptionsType } from './options.ts';
export * as tfliteOptions from './options.ts';
export type { TensorTypeName } from './schema.ts';
export { isTflite } from './signature.ts';
