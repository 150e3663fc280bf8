/** Importers still name it here. */
export * from '../tensors/tensor.ts';
