/** The model of a compilation, by another thread or by this one. */
import { loadPlanner } from '../codegen/index.ts';
import type { Graph } from '../ir/index.ts';
import { backends } from './backends.ts';
import type { compiledHere } from './compile_here.ts';
import { type CompileOptions, orderOf, threadsOf } from './compile_options.ts';
import { compilerEnded } from './elsewhere/index.ts';
import { modelOf } from './elsewhere/made.ts';
import type { Made } from './elsewhere/protocol.ts';
import { Model } from './model.ts';
import type { OwnModel } from './own_model.ts';
import { turn } from './turn.ts';

/**
 * @param elsewhere what the other thread makes of the source; undefined where this one has to compile
 * @param path the absolute one of a source that is a path
 */
export async function makeModel(
  source: Graph | string | Uint8Array,
  options: CompileOptions,
  elsewhere: Promise<Made | undefined> | undefined,
  path: string,
): Promise<Model> {
  const found = elsewhere && (await whileLoading(elsewhere, options));
  // no thread started: the bytes are still the caller's
  const own = !found && elsewhere && source instanceof Uint8Array && source.length > 0 ? source.slice() : source;
  if (found) void compilerEnded().then(() => backends[orderOf(options)[0]].trim?.());
  const { compiled, file } = found ? modelOf(found, options) : await here(own, options, path);
  return Model.inTurns(compiled, options, file);
}

/** Loads the addon, and what plans, while the other thread compiles. */
async function whileLoading(elsewhere: Promise<Made | undefined>, options: CompileOptions): Promise<Made | undefined> {
  const load = async (): Promise<void> => {
    backends[orderOf(options)[0]].here(threadsOf(options));
    await turn();
    await loadPlanner();
  };
  const [found] = await Promise.all([elsewhere, load()]);
  return found;
}

/** This thread loads the compiler, since no other thread has compiled. */
async function here(...source: Parameters<typeof compiledHere>): Promise<OwnModel> {
  const { compiledHere } = await import('./compile_here.ts');
  return compiledHere(...source);
}
