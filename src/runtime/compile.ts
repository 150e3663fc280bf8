/**
 * `compile`: a graph, a file or bytes become a model that runs. The thread that compiles is started first: what this one needs to run a model
 * is loaded meanwhile.
 */
import { resolve } from 'node:path';
import { kernelChoices } from '../codegen/index.ts';
import { checkOptions, fail } from '../diagnostics/index.ts';
import type { Graph } from '../ir/index.ts';
import { type CompileOptions, compileOptionNames, keptShapesOf, orderOf, threadsOf } from './compile_options.ts';
import { compiledElsewhere } from './elsewhere/index.ts';
import type { Model } from './model.ts';

/**
 * Compiles a model: imports it when a path or bytes are given, legalizes it for this machine, selects primitives. Another thread
 * does so, while the event loop turns. A compiled file (`unskew compile`) is loaded as it is.
 *
 * @throws UnskewError for a wrong model (U1…, U2…), U5001 when the addon cannot be loaded, U5004 for a bad compiled file
 */
export async function compile(source: Graph | string | Uint8Array, options: CompileOptions = {}): Promise<Model> {
  checkOptions('compile', options, compileOptionNames);
  orderOf(options);
  threadsOf(options);
  keptShapesOf(options);
  const { kernels } = options;
  if (kernels !== undefined && !kernelChoices.includes(kernels))
    fail('U4002', `'${kernels}' is not a choice of kernels`, {}, `one of: ${kernelChoices.join(', ')}`);
  if (typeof source !== 'string' && (typeof source !== 'object' || source === null))
    fail('U4002', `the model should be a path, bytes or a graph, but is ${source}`);
  const path = typeof source === 'string' ? resolve(source) : '';
  const elsewhere = compiledElsewhere(source, options);
  elsewhere?.catch(() => undefined); // it is awaited once the rest is loaded
  if (elsewhere === undefined && typeof source === 'string') {
    const { readyModel } = await import('./ready_model.ts');
    const model = readyModel(source, options);
    if (model) return model;
  }
  // constants are views of bytes, and the caller may do with his what he likes
  const own = elsewhere === undefined && source instanceof Uint8Array ? copied(source) : source;
  const { makeModel } = await import('./make_model.ts');
  return makeModel(own, options, elsewhere, path);
}

/** Memory that was transferred elsewhere has no bytes, and cannot be copied. */
const copied = (bytes: Uint8Array): Uint8Array => (bytes.length === 0 ? new Uint8Array(0) : bytes.slice());
