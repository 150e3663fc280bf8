/**
 * A compiled model as one file:
 *
 *   8 bytes   "UNSKEW", 0, version
 *   4 bytes   length of the header, little endian
 *   header    JSON: the graph at level dnnl, the table of its constants, certificate, strategies, target
 *   constants each 64-byte aligned, in the order of the table
 *
 * The graph is host-independent; layouts, packing and memory are planned where the file is loaded.
 */
import { fail } from '../diagnostics/index.ts';
import {
  type AttrValue,
  bytesOf,
  ConstantPool,
  constantOf,
  dtypes,
  type Graph,
  isDType,
  type Node,
  sizeOf,
  tensorOfBytes,
  type ValueInfo,
  verify,
} from '../ir/index.ts';
import type { Certificate } from '../passes/certificate.ts';
import type { StrategyReport } from '../passes/strategies.ts';
import type { Target } from '../passes/target.ts';

const MAGIC = [0x55, 0x4e, 0x53, 0x4b, 0x45, 0x57, 0, 1] as const;
const PREFIX = MAGIC.length + 4;
const ALIGNMENT = 64;

export interface CompiledModel {
  readonly graph: Graph;
  readonly target: Target;
  readonly certificate: Certificate;
  readonly strategies: readonly StrategyReport[];
}

interface Header extends Omit<CompiledModel, 'graph'> {
  readonly graph: Pick<Graph, 'name' | 'inputs' | 'outputs' | 'nodes' | 'values'>;
  /** By value: where its bytes are, from the start of the constants. */
  readonly constants: Readonly<Record<string, { readonly offset: number; readonly length: number }>>;
}

/** By the magic alone: the version is judged when it is read. */
export const isCompiledFile = (bytes: Uint8Array): boolean => MAGIC.slice(0, -1).every((byte, i) => bytes[i] === byte);

const aligned = (n: number): number => Math.ceil(n / ALIGNMENT) * ALIGNMENT;

export function writeCompiledFile({ graph, ...rest }: CompiledModel): Uint8Array {
  const constants: Record<string, { offset: number; length: number }> = {};
  const values: Record<string, ValueInfo> = {};
  const payload: Uint8Array[] = [];
  let end = 0;
  for (const [id, info] of Object.entries(graph.values)) {
    values[id] = { type: info.type };
    const tensor = constantOf(graph, id as never);
    if (tensor === undefined) continue;
    const bytes = bytesOf(tensor.data);
    constants[id] = { offset: end, length: bytes.length };
    payload.push(bytes);
    end = aligned(end + bytes.length);
  }
  const { name, inputs, outputs, nodes } = graph;
  const header: Header = { ...rest, graph: { name, inputs, outputs, nodes, values }, constants };
  const json = new TextEncoder().encode(JSON.stringify(header, encodeNumber));
  const start = aligned(PREFIX + json.length);
  const file = new Uint8Array(start + end);
  file.set(MAGIC);
  new DataView(file.buffer).setUint32(MAGIC.length, json.length, true);
  file.set(json, PREFIX);
  Object.values(constants).forEach(({ offset }, i) => {
    file.set(payload[i], start + offset);
  });
  return file;
}

/** @throws UnskewError U5004 for a file of another version, a truncated or a damaged one */
export function readCompiledFile(bytes: Uint8Array, file?: string): CompiledModel {
  const refuse = (why: string): never =>
    fail(
      'U5004',
      `this compiled model ${why}`,
      file === undefined ? {} : { file },
      'compile it again with: unskew compile MODEL -o FILE',
    );
  const version = MAGIC.length - 1;
  if (bytes.length < PREFIX) refuse('is truncated');
  if (bytes[version] !== MAGIC[version])
    refuse(`is of version ${bytes[version]}; this unskew reads version ${MAGIC[version]}`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(MAGIC.length, true);
  const start = aligned(PREFIX + length);
  if (PREFIX + length > bytes.length) refuse('is truncated');
  const header =
    parseHeader(bytes.subarray(PREFIX, PREFIX + length)) ?? refuse('is damaged: its header is no JSON of ours');
  const pool = new ConstantPool();
  const values: Record<string, ValueInfo> = Object.create(null);
  for (const [id, { type }] of Object.entries(header.graph.values)) {
    const place = header.constants[id];
    if (place === undefined) {
      values[id] = { type };
      continue;
    }
    const { offset, length: size } = place;
    const { dtype, shape } = type as { dtype: string; shape: readonly number[] };
    const wellFormed =
      isDType(dtype) &&
      Array.isArray(shape) &&
      shape.every((d) => Number.isSafeInteger(d) && d >= 0) &&
      Number.isSafeInteger(offset) &&
      offset >= 0;
    if (!wellFormed || size !== sizeOf(shape) * dtypes[dtype].bytes || start + offset + size > bytes.length)
      return refuse(`is damaged: the constant @${id} is not inside the file`);
    values[id] = {
      type,
      constant: pool.add(tensorOfBytes(dtype, shape, bytes.subarray(start + offset, start + offset + size))),
    };
  }
  const nodes: Record<string, Node> = Object.assign(Object.create(null), header.graph.nodes);
  const graph = { ...header.graph, nodes, values, pool } as Graph;
  const violations = verify(graph, 'dnnl');
  if (violations.length > 0) refuse(`is damaged: ${violations[0].message}`);
  const { target, certificate, strategies } = header;
  return { graph, target, certificate, strategies };
}

function parseHeader(bytes: Uint8Array): Header | undefined {
  try {
    const header = JSON.parse(new TextDecoder().decode(bytes), decodeNumber) as Header;
    const { graph, constants } = header;
    const complete = [graph?.values, graph?.nodes, constants, header.certificate, header.target].every(
      (part) => part !== null && typeof part === 'object',
    );
    const sound =
      complete &&
      [graph.inputs, graph.outputs].every(Array.isArray) &&
      Object.values(graph.nodes).every(
        (n) => Array.isArray(n?.operands) && Array.isArray(n.results) && n.attrs && n.loc,
      );
    return sound && Object.values(graph.values).every((v) => Array.isArray(v?.type?.shape)) ? header : undefined;
  } catch {
    return undefined;
  }
}

/** JSON has no infinities and no NaN. */
const encodeNumber = (_key: string, value: AttrValue): unknown =>
  typeof value === 'number' && !Number.isFinite(value) ? { $number: String(value) } : value;
const decodeNumber = (_key: string, value: unknown): unknown =>
  value !== null && typeof value === 'object' && '$number' in value ? Number(value.$number) : value;
