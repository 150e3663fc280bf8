/** The compilation of a source by this thread. */
import { isCompiledFile, readCompiledFile } from '../codegen/index.ts';
import { fail } from '../diagnostics/index.ts';
import { importBytes } from '../importers/index.ts';
import type { Graph } from '../ir/index.ts';
import { bindShapes } from './bind_shapes.ts';
import { compileGraph } from './compile_graph.ts';
import { type CompileOptions, orderOf } from './compile_options.ts';
import { externalReader } from './external_data.ts';
import { readModelFile } from './import_model.ts';
import { type OwnFile, ownFile, versionOf } from './own_file.ts';
import { type OwnModel, ownCompiled, ownModel } from './own_model.ts';

/** @param path the absolute one of a source that is a path */
export async function compiledHere(
  source: Graph | string | Uint8Array,
  options: CompileOptions,
  path: string,
): Promise<OwnModel> {
  if (source instanceof Uint8Array) return compiledOf(source, options);
  if (typeof source !== 'string') return { compiled: compileGraph(source, options, true) };
  const version = versionOf(path);
  const bytes = await readModelFile(path, source);
  return compiledOf(bytes, options, source, ownFile(path, bytes, version));
}

/** @param own the file where nobody else reads its memory */
async function compiledOf(bytes: Uint8Array, options: CompileOptions, file?: string, own?: OwnFile): Promise<OwnModel> {
  const { profile, inputShapes } = options;
  if (isCompiledFile(bytes)) {
    const compiled = readCompiledFile(bytes, file);
    const settled = (['strategy', 'target', 'profile'] as const).find((name) => options[name] !== undefined);
    if (settled !== undefined)
      fail(
        'U4002',
        `a compiled model has settled its ${settled}: the option cannot change it`,
        {},
        'compile the model that it was made of',
      );
    const sized = inputShapes ? { ...compiled, graph: bindShapes(compiled.graph, inputShapes) } : compiled;
    return ownCompiled(sized, orderOf(options), own);
  }
  // from the bytes that were read already: a pipe gives its contents once
  const graph = await importBytes(bytes, {
    ...(file !== undefined && { file, readExternal: externalReader(own?.path ?? file) }),
    ...(profile && { profile }),
    ...(inputShapes && { inputShapes }),
  });
  const compiled = compileGraph(graph, options, true);
  const isWhole = own === undefined || compiled.atSizes !== undefined;
  return isWhole ? { compiled } : ownModel(compiled, orderOf(options), own);
}
