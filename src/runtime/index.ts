/** Node.js and the addon: files of models, sessions, `compile`. */
export { addonAvailable } from './addon.ts';
export {
  allBackendNames,
  type BackendName,
  type BackendOrder,
  backendNames,
  usualBackend,
} from './backend_names.ts';
export { checkedOrder, usualOrder } from './backend_order.ts';
export { backends, costsHere, openHere, portableBackend } from './backends.ts';
export { openBeside } from './beside.ts';
export { bindShapes } from './bind_shapes.ts';
export { compile } from './compile.ts';
export { compileGraph } from './compile_graph.ts';
export type { CompileOptions } from './compile_options.ts';
export { machineOf, writeCosts } from './cost_cache.ts';
export { serveCompilations } from './elsewhere/worker.ts';
export { Executable } from './executable.ts';
export { externalReader } from './external_data.ts';
export { metadataOf, toFeeds, type ValueMetadata } from './feeds.ts';
export { importModel, readModelFile } from './import_model.ts';
export { makeFolder } from './make_folder.ts';
export { type Feed, Model } from './model.ts';
export { packageFolder } from './package_folder.ts';
export { readyModelOf } from './ready_file.ts';
export { writeReproducer } from './reproducer.ts';
