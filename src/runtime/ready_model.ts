/** The model of a compiled file that has a plan for this machine. */
import { type CompileOptions, orderOf, threadsOf } from './compile_options.ts';
import { Model } from './model.ts';
import { readyFile } from './ready_file.ts';

/**
 * Undefined for any other file, and where options want another plan, or one that a compiled file has settled.
 *
 * @throws UnskewError U5004 for a damaged one
 */
export function readyModel(path: string, options: CompileOptions): Model | undefined {
  const { inputShapes, kernels, strategy, target, profile } = options;
  const isPlain = [inputShapes, kernels, strategy, target, profile].every((option) => option === undefined);
  if (!isPlain || orderOf(options)[0] !== 'onednn') return undefined;
  const file = readyFile(path, threadsOf(options));
  return file && Model.planned(file, options);
}
