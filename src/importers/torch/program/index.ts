/** Archives of `torch.export.save`. */
export { type ExportOrigin, importExport } from './import.ts';
export { isExport } from './program.ts';
