/**
 * Measured costs, kept per machine: one JSON file for every processor, version of a library, ISA and number of threads, in
 * $XDG_CACHE_HOME/unskew/strategies. A missing or damaged file, or one of another format, counts as empty: its contents
 * affect speed alone.
 */
import { createHash } from 'node:crypto';
import { closeSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { cpus, homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import type { Library } from '../codegen/index.ts';
import { type CostRow, distanceOf, type LayerClass } from '../passes/index.ts';
import { openBeside } from './beside.ts';
import { makeFolder } from './make_folder.ts';

/** Rises when rows or their meaning change. */
const FORMAT = 1;
/** A file of ours has some hundred rows of some hundred bytes. */
const MAXIMUM_BYTES = 4 << 20;

export interface Machine extends Library {
  readonly processor: string;
  readonly threads: number;
}

export const machineOf = (library: Library, threads: number): Machine => ({
  processor: cpus()[0]?.model.trim() ?? 'unknown',
  ...library,
  threads,
});

/** As it is written into a file. */
const described = ({ processor, name, version, isa, threads }: Machine) => ({
  processor,
  [name]: version,
  isa,
  threads,
});

type Environment = Readonly<Record<string, string | undefined>>;

/** The path for the costs of a machine, whether or not the file exists; undefined for a user without a home. */
export function cachePath(machine: Machine, env: Environment = process.env): string | undefined {
  const folder = cacheFolder(env);
  if (folder === undefined) return undefined;
  const { processor, name, version, isa, threads } = machine;
  const hash = createHash('sha256').update(processor).digest('hex').slice(0, 12);
  return join(folder, 'unskew', 'strategies', `${hash}-${name}${version}-${isa}-${threads}.json`);
}

function cacheFolder({ XDG_CACHE_HOME: base }: Environment): string | undefined {
  // The specification of XDG has relative paths ignored.
  if (base !== undefined && isAbsolute(base)) return base;
  try {
    const home = homedir();
    return isAbsolute(home) ? join(home, '.cache') : undefined;
  } catch {
    return undefined; // a user without a home
  }
}

/** The rows measured on this machine; empty when no file holds any. */
export function readCosts(machine: Machine, env?: Environment): CostRow[] {
  const path = cachePath(machine, env);
  if (path === undefined) return [];
  try {
    const stat = statSync(path);
    if (!stat.isFile() || stat.size > MAXIMUM_BYTES) return [];
    const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (!isRecord(content) || content.format !== FORMAT || !isRecord(content.machine)) return [];
    const { machine: stored, rows } = content;
    const isSame = Object.entries(described(machine)).every(([key, value]) => stored[key] === value);
    return isSame && Array.isArray(rows) ? rows.filter(isRow) : [];
  } catch {
    return [];
  }
}

/**
 * Adds rows to the file of the machine; a row replaces an earlier one of the same layer. Writes all of it or nothing.
 *
 * @returns the path, or undefined when nothing can be written
 */
export function writeCosts(machine: Machine, rows: readonly CostRow[], env?: Environment): string | undefined {
  const path = cachePath(machine, env);
  if (path === undefined) return undefined;
  const kept = readCosts(machine, env).filter(({ layer }) => rows.every((row) => distanceOf(row.layer, layer) > 0));
  const contents = `${JSON.stringify({ format: FORMAT, machine: described(machine), rows: [...kept, ...rows] })}\n`;
  try {
    makeFolder(dirname(path));
    replaceFile(path, contents);
    return path;
  } catch {
    return undefined;
  }
}

function replaceFile(path: string, contents: string): void {
  const beside = openBeside(dirname(path), 0o666);
  try {
    try {
      writeFileSync(beside.descriptor, contents);
    } finally {
      closeSync(beside.descriptor);
    }
    renameSync(beside.path, path);
    beside.keep();
  } finally {
    beside.remove();
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value) && value >= 0;

const fields: Readonly<Record<keyof LayerClass, (value: unknown) => boolean>> = {
  kind: (value) => value === 'conv' || value === 'conv_transpose' || value === 'matmul',
  depthwise: (value) => typeof value === 'boolean',
  padded: (value) => typeof value === 'boolean',
  groups: isCount,
  taps: isCount,
  stride: isCount,
  inputChannels: (value) => value === undefined || isCount(value),
  outputChannels: (value) => value === undefined || isCount(value),
  positions: (value) => value === undefined || isCount(value),
};

function isRow(value: unknown): value is CostRow {
  if (!isRecord(value) || !isRecord(value.layer) || !isRecord(value.costs)) return false;
  const { layer, costs } = value;
  const isLayer = Object.entries(fields).every(([name, isField]) => isField(layer[name]));
  return isLayer && Object.values(costs).every((cost) => typeof cost === 'number' && cost > 0 && Number.isFinite(cost));
}
