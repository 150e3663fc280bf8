/** Importers still name it here. */
export * from '../tensors/dtype.ts';
