/**
 * The plan of a model of fixed sizes, in its compiled file: a machine with the same kernels and instruction set opens the session without
 * the graph, and reads packed weights in the place of constants. Any other machine plans the graph.
 */
import {
  byteLengthOf,
  ConstantPool,
  type Graph,
  isDType,
  isStaticType,
  type StaticType,
  sizeOf,
  typeOf,
  type ValueId,
} from '../ir/index.ts';
import type { Plan } from './backend.ts';
import {
  isSize,
  type ReadyPart,
  refused,
  type Section,
  Sections,
  type Source,
  sectionOf,
} from './compiled_sections.ts';
import type { NativeMemory, OneDnnBinding } from './onednn/binding.ts';
import { planOfReady, type ReadyConstant, type ReadyPlan } from './onednn/ready_plan.ts';

/** A value that crosses the border of the model. */
interface Crossing extends StaticType {
  readonly id: ValueId;
}

export interface ReadyModel {
  /** Names the machine, the kernels and the code that planned. */
  readonly key: string;
  readonly graph: Graph;
  /** In the order of the session. */
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
  readonly plan: ReadyPlan;
  readonly constants: readonly ReadyConstant[];
}

interface Form extends Section {
  readonly way: string;
}

/** A constant: a part of the section of all that are not packed, or its packed forms. */
type Kept =
  | { readonly from: number; readonly bytes: number }
  | { readonly size: number; readonly forms: readonly Form[] };

/** As JSON in the file. */
interface Written {
  readonly name: string;
  readonly inputs: readonly Crossing[];
  readonly outputs: readonly Crossing[];
  readonly order: Readonly<Record<'inputs' | 'outputs', readonly ValueId[]>>;
  readonly plan: ReadyPlan;
  readonly plain: Section;
  readonly constants: readonly Kept[];
}

/** Appends the sections of a plan. */
export function addReady(sections: Sections, { key, graph, inputs, outputs, plan, constants }: ReadyModel): ReadyPart {
  const parts = new Sections();
  const places = constants.map((constant) => ('bytes' in constant ? parts.add(constant.bytes) : undefined));
  const plain = sections.add(parts.joined());
  const kept = constants.map((constant, i): Kept => {
    const place = places[i];
    if (place) return { from: place.offset, bytes: place.bytes };
    const { size, forms } = constant as Exclude<ReadyConstant, { bytes: Uint8Array }>;
    return { size, forms: forms.map(({ way, bytes }) => ({ way, ...sections.add(bytes) })) };
  });
  const crossing = (id: ValueId): Crossing => ({ id, ...(typeOf(graph, id) as StaticType) });
  const written: Written = {
    name: graph.name,
    inputs: graph.inputs.map(crossing),
    outputs: graph.outputs.map(crossing),
    order: { inputs, outputs },
    ...{ plan, plain, constants: kept },
  };
  const json = sections.add(new TextEncoder().encode(JSON.stringify(written)));
  return { key, plan: json, end: sections.end };
}

/** What a session needs, and its graph without nodes. */
export interface ReadToRun {
  readonly graph: Graph;
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
  readonly plan: Plan;
}

/** @throws UnskewError U5004 where it is damaged; errors of the addon where the plan does not fit it */
export function readReady(
  source: Source,
  start: number,
  ready: ReadyPart,
  binding: OneDnnBinding,
  threads: number,
): ReadToRun {
  const sectionAt = (place: Section): Uint8Array => sectionOf(source, start, place, 'its plan');
  const { name, inputs, outputs, order, plan, plain, constants } = parsed(sectionAt(ready.plan), source.file);
  const bytes = sectionAt(plain).slice();
  const memories = constants.map((kept): NativeMemory => {
    if ('from' in kept) return binding.memory(bytes.subarray(kept.from, kept.from + kept.bytes));
    const [{ way, ...place }, ...others] = kept.forms;
    // nearly all have one, which is copied to where it stays
    const more = others.map((form) => ({ way: form.way, bytes: sectionAt(form).slice() }));
    return binding.prepacked(kept.size, [...more, { way, bytes: sectionAt(place) }]);
  });
  const values = Object.fromEntries(
    [...inputs, ...outputs].map(({ id, dtype, shape }) => [id, { type: { dtype, shape } }]),
  );
  const graph: Graph = {
    name,
    inputs: inputs.map(({ id }) => id),
    outputs: outputs.map(({ id }) => id),
    nodes: {},
    values,
    pool: new ConstantPool(),
  };
  return { graph, ...order, plan: planOfReady(plan, memories, binding, threads) };
}

function parsed(bytes: Uint8Array, file: string | undefined): Written {
  let written: Written | undefined;
  try {
    written = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // refused below
  }
  return written !== undefined && isSound(written) ? written : refused('is damaged: its plan is not one of ours', file);
}

/** What JavaScript relies on; the addon checks commands and constants. */
function isSound(written: Partial<Written> | null): written is Written {
  const { inputs, outputs, order, plan, constants, plain, name } = written ?? {};
  const lists = [inputs, outputs, order?.inputs, order?.outputs, constants, plan?.types, plan?.nodes, plan?.labels];
  const counts = [plan?.inputBytes, plan?.outputBytes, plan?.commands];
  if (![...lists, ...counts].every(Array.isArray) || typeof plain !== 'object' || typeof name !== 'string')
    return false;
  const { types, inputBytes, outputBytes, labels, commands, arenaBytes } = plan as ReadyPlan;
  const crossings = [...(inputs as Crossing[]), ...(outputs as Crossing[])];
  if (![...crossings, ...types].every(isStatic) || ![arenaBytes, ...inputBytes, ...outputBytes].every(isSize))
    return false;
  if (types.length !== outputBytes.length || labels.length !== commands.length) return false;
  const known = new Map(inputs?.map((input) => [input.id, input]));
  const places = order as Written['order'];
  const results = new Map(places.outputs.map((id, i) => [id, types[i]]));
  return (
    places.inputs.length === inputBytes.length &&
    places.outputs.length === types.length &&
    places.inputs.every((id, i) => hasBytes(known.get(id), inputBytes[i])) &&
    types.every((type, i) => hasBytes(type, outputBytes[i])) &&
    (outputs as Crossing[]).every(({ id, ...type }) => isSameType(type, results.get(id)))
  );
}

const isStatic = (type: StaticType | null): boolean =>
  isDType(type?.dtype ?? '') && Array.isArray(type?.shape) && type.shape.every(isSize);

/** A session has a byte for a tensor without elements. */
const hasBytes = (type: StaticType | undefined, bytes: number): boolean =>
  type !== undefined && Math.max(byteLengthOf(type.dtype, sizeOf(type.shape)), 1) === bytes;

const isSameType = (type: StaticType, other: StaticType | undefined): boolean =>
  type.dtype === other?.dtype && `${type.shape}` === `${other.shape}`;

/** True for a graph whose plan can be kept: of fixed sizes, without outputs that are constants. */
export const canBeReady = (graph: Graph): boolean =>
  [...graph.inputs, ...graph.outputs].every((id) => isStaticType(typeOf(graph, id))) &&
  graph.outputs.every((id) => graph.values[id].constant === undefined && !graph.inputs.includes(id));
