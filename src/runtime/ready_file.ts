/** Plans in compiled files: made where a file is written, opened where a machine has the same kernels. */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import {
  type CompiledModel,
  canBeReady,
  type Header,
  headerOf,
  isCompiledFile,
  partition,
  type ReadToRun,
  type ReadyModel,
  readReady,
  readyPlanOf,
  type Source,
} from '../codegen/index.ts';
import { UnskewError } from '../diagnostics/index.ts';
import { isStaticType, typeOf } from '../ir/index.ts';
import { loadAddon } from './addon.ts';
import { openHere } from './backends.ts';
import { packageFolder } from './package_folder.ts';
import { addonSources, plannerSources } from './sources.ts';

/** Of the kernels, the code that plans, and the instructions that kernels take here; undefined where the sources are not known. */
function keyHere(): string | undefined {
  const { isa, kernelIsa } = loadAddon();
  const sources = [addonSources(packageFolder), plannerSources(packageFolder)];
  return sources.includes(undefined) ? undefined : [...sources, isa, kernelIsa].join(' ');
}

/** The plan of a model for this machine; undefined where sizes are open, or other code than our kernels computes a part. */
export function readyModelOf({ graph, target }: CompiledModel): ReadyModel | undefined {
  const key = canBeReady(graph) ? keyHere() : undefined;
  if (key === undefined) return undefined;
  const [host] = openHere(['onednn'], 1, target.kernels);
  const parts = partition(graph, openHere(['onednn'], 1, target.kernels));
  const [part] = parts;
  if (parts.length !== 1 || part.backend.name !== host.name) return undefined;
  const { nodes, inputs, outputs } = part;
  const types = outputs.map((id) => typeOf(graph, id)).filter(isStaticType);
  const plan = part.backend.plan(part);
  const session = plan.open(); // packs
  try {
    const made = 'spec' in plan ? readyPlanOf(plan as never, nodes, types, loadAddon()) : undefined;
    return made && { key, graph, inputs, outputs, ...made };
  } finally {
    session.dispose();
  }
}

export interface ReadyFile extends ReadToRun {
  readonly header: Header;
}

/**
 * What a file has for this machine; undefined for any other file, and where it cannot be read: whoever reads all of it says why.
 *
 * @throws UnskewError U5004 for a damaged one
 */
export function readyFile(path: string, threads: number): ReadyFile | undefined {
  let descriptor: number | undefined;
  try {
    if (!statSync(path).isFile()) return undefined;
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { size } = fstatSync(descriptor);
    return readFrom({ size, read: reader(descriptor), file: path }, threads);
  } catch (error) {
    if (error instanceof UnskewError) throw error;
    return undefined; // of the system; or of the addon, which takes another plan
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function readFrom(source: Source, threads: number): ReadyFile | undefined {
  if (source.size < MAGIC_BYTES || !isCompiledFile(source.read(0, MAGIC_BYTES))) return undefined;
  const { header, start } = headerOf(source);
  const { ready } = header;
  if (ready === undefined || ready.key !== keyHere()) return undefined;
  return { header, ...readReady(source, start, ready, loadAddon(), threads) };
}

const MAGIC_BYTES = 8;

/** Most sections are smaller; no page of it is there before it is written to. */
const ROOM_BYTES = 2 ** 23;

/** Reads sections into one memory: packed weights are copied to where they stay, part by part. */
function reader(file: number): (offset: number, bytes: number) => Uint8Array {
  const room = new Uint8Array(ROOM_BYTES);
  return (offset, bytes) => {
    const to = bytes <= room.length ? room.subarray(0, bytes) : new Uint8Array(bytes);
    for (let at = 0; at < bytes; ) {
      const count = readSync(file, to, at, bytes - at, offset + at);
      if (count === 0) return to.subarray(0, at); // has become shorter, which its checksum shows
      at += count;
    }
    return to;
  };
}
