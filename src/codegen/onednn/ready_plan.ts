/**
 * A native plan as data: the commands of its session, and its constants as bytes or as packed weights, so that a session opens without
 * the graph. It depends on the kernels and on the instruction set, not on the number of threads.
 */
import type { Node, StaticType } from '../../ir/index.ts';
import type { Plan } from '../backend.ts';
import type { Arenas, BufferRef, Command, NativeMemory, OneDnnBinding, PackedForm, SessionSpec } from './binding.ts';
import { bytesOfPlan, open } from './open_session.ts';
import type { NativePlan } from './plan.ts';

/** A constant: its bytes, or its packed forms where no kernel reads the bytes. */
export type ReadyConstant =
  | { readonly bytes: Uint8Array }
  | { readonly size: number; readonly forms: readonly PackedForm[] };

type ReadyRef = Exclude<BufferRef, { space: 'constant' }> | { readonly space: 'constant'; readonly constant: number };

/** A plan as plain data, which JSON holds. */
export interface ReadyPlan {
  readonly nodes: readonly Pick<Node, 'id' | 'op' | 'loc'>[];
  readonly labels: readonly string[];
  /** The types of the outputs. */
  readonly types: readonly StaticType[];
  readonly arenaBytes: number;
  readonly inputBytes: readonly number[];
  readonly outputBytes: readonly number[];
  readonly commands: readonly { readonly kernel: unknown; readonly arguments: Readonly<Record<string, ReadyRef>> }[];
}

/** The kernel that finds packed weights by name. */
const PACKING = 'convolution';

/**
 * The plan and its constants while a session of it is open; undefined where primitives of oneDNN are among its commands.
 *
 * @param types of the outputs
 */
export function readyPlanOf(
  { spec, labels }: NativePlan,
  nodes: readonly Node[],
  types: readonly StaticType[],
  binding: OneDnnBinding,
): { readonly plan: ReadyPlan; readonly constants: readonly ReadyConstant[] } | undefined {
  const places = new Map<NativeMemory, number>();
  const packers = new Set<NativeMemory>();
  const others = new Set<NativeMemory>();
  const refOf = (ref: BufferRef, isPacked: boolean): ReadyRef => {
    if (ref.space !== 'constant') return ref;
    const { memory } = ref;
    (isPacked ? packers : others).add(memory);
    const constant = places.get(memory) ?? places.size;
    places.set(memory, constant);
    return { space: 'constant', constant };
  };
  const commands: ReadyPlan['commands'][number][] = [];
  for (const command of spec.commands) {
    if (command.kind !== 'kernel' || !isData(command.kernel)) return undefined;
    const { name } = command.kernel;
    const refs = Object.entries(command.arguments).map(([argument, ref]) => [
      argument,
      refOf(ref, name === PACKING && argument === 'weights'),
    ]);
    commands.push({ kernel: encoded(command.kernel), arguments: Object.fromEntries(refs) });
  }
  const constants = [...places.keys()].map((memory): ReadyConstant => {
    const forms = packers.has(memory) && !others.has(memory) ? binding.packedForms(memory) : [];
    return forms.length > 0 ? { size: memory.bytes, forms } : { bytes: binding.contents(memory) };
  });
  const { arenaBytes, inputBytes, outputBytes } = spec;
  const plan = {
    nodes: nodes.map(({ id, op, loc: { file: _, ...loc } }) => ({ id, op, loc })),
    ...{ labels, types, arenaBytes, inputBytes, outputBytes, commands },
  };
  return { plan, constants };
}

/** The plan again, where constants have been made in their order. */
export function planOfReady(
  ready: ReadyPlan,
  constants: readonly NativeMemory[],
  binding: OneDnnBinding,
  threads: number,
): Plan {
  const { arenaBytes, inputBytes, outputBytes } = ready;
  const refOf = (ref: ReadyRef): BufferRef =>
    ref.space === 'constant' ? { space: 'constant', memory: constants[ref.constant] } : ref;
  const commands = ready.commands.map(({ kernel, arguments: given }) => {
    const refs = Object.entries(given).map(([name, ref]) => [name, refOf(ref)]);
    return { kind: 'kernel', kernel: decoded(kernel), arguments: Object.fromEntries(refs) } as Command;
  });
  const spec: SessionSpec = { threads, arenaBytes, inputBytes, outputBytes, commands };
  let arenas: Arenas | undefined;
  return {
    ...bytesOfPlan(arenaBytes, [...inputBytes, ...outputBytes], commands.length),
    open() {
      arenas ??= binding.arenas();
      return open({ nodes: ready.nodes, labels: ready.labels, types: ready.types }, binding.session(spec, arenas));
    },
  };
}

/** JSON has no numbers that are not finite, and no negative zero. */
interface Rare {
  readonly number: 'NaN' | 'Infinity' | '-Infinity' | '-0';
}

const isRare = (value: object): value is Rare => 'number' in value && Object.keys(value).length === 1;

function encoded(value: unknown): unknown {
  if (typeof value === 'number')
    return Number.isFinite(value) && !Object.is(value, -0)
      ? value
      : { number: Object.is(value, -0) ? '-0' : String(value) };
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(encoded);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, encoded(part)]));
}

function decoded(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(decoded);
  if (isRare(value)) return Number(value.number);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, decoded(part)]));
}

/** True for what JSON holds as it is, but for rare numbers. */
function isData(value: unknown): boolean {
  if (value === undefined || value === null || ['number', 'string', 'boolean'].includes(typeof value)) return true;
  if (Array.isArray(value)) return value.every(isData);
  const isPlain = typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype;
  return isPlain && !isRare(value) && Object.values(value).every(isData);
}
