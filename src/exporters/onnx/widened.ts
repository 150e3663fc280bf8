/**
 * Floats of 16 bits in a part of a model, for a runtime that has kernels for binary32 alone and no arrays of bfloat16: a carried node reads
 * binary32 and is rounded once, as operators of ours are, and bfloat16 goes in and out as float32, which is exact.
 */
import type { KeptNode, NodeInit, OnnxNode } from '../../formats/onnx/index.ts';
import { type DType, isHalf, isOp, type Node, opaqueOp, type TensorType } from '../../ir/index.ts';
import { innerNames } from './kept.ts';
import { castTo } from './node_writer.ts';

type Item = KeptNode | NodeInit;

export interface Widened {
  readonly items: readonly Item[];
  /** Names in the part; those of bfloat16 are other ones, of float32. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

interface Part {
  /** In topological order. */
  readonly items: readonly Item[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Names that nothing new may have. */
  readonly taken: Iterable<string>;
  /** The node of the file that an item keeps, when it is one to widen. */
  widens(item: Item): OnnxNode | undefined;
  dtypeOf(name: string): TensorType['dtype'] | undefined;
}

export function widened(part: Part): Widened {
  const taken = new Set(part.taken);
  const fresh = (name: string): string => {
    let made = `${name}.binary32`;
    for (let i = 1; taken.has(made); i++) made = `${name}.binary32.${i}`;
    taken.add(made);
    return made;
  };
  const items: Item[] = [];
  const wide = new Map<string, string>();
  const halfOf = (name: string): DType | undefined => {
    const dtype = name === '' ? undefined : part.dtypeOf(name);
    return dtype !== undefined && dtype !== 'opaque' && isHalf(dtype) ? dtype : undefined;
  };
  const isAtBorder = (name: string) => halfOf(name) === 'bf16';
  const widen = (name: string): string => {
    const known = wide.get(name) ?? fresh(name);
    if (!wide.has(name)) items.push(cast(name, known, 'f32'));
    wide.set(name, known);
    return known;
  };
  const inputs = part.inputs.map((name) => {
    if (!isAtBorder(name)) return name;
    const given = fresh(name);
    items.push(cast(given, name, 'bf16'));
    return given;
  });
  for (const item of part.items) {
    const before = part.widens(item);
    if (before === undefined || !('keep' in item)) {
      items.push(item);
      continue;
    }
    const reads = (item.inputs ?? before.inputs).map((name) => (halfOf(name) ? widen(name) : name));
    const made = (item.outputs ?? before.outputs).map((name) => ({ name, half: halfOf(name) }));
    const outputs = made.map(({ name, half }) => (half ? fresh(name) : name));
    items.push({ ...item, inputs: reads, outputs });
    for (const [i, { name, half }] of made.entries()) if (half) items.push(cast(outputs[i], name, half));
  }
  const outputs = part.outputs.map((name) => (isAtBorder(name) ? widen(name) : name));
  return { items, inputs, outputs };
}

const cast = (from: string, to: string, dtype: DType): NodeInit => ({
  opType: 'Cast',
  domain: '',
  inputs: [from],
  outputs: [to],
  attributes: castTo(dtype),
});

/** True for a carried node on tensors that computes in binary32. Bodies say the types of what is in them. */
export function isWidened(
  node: Node,
  before: OnnxNode,
  dtypeOf: (id: string) => TensorType['dtype'],
  isWide: (node: Node) => boolean,
): boolean {
  if (!isOp(node, opaqueOp) || innerNames(before).length > 0) return false;
  const types = [...node.operands, ...node.results].flatMap((id) => (id === null ? [] : [dtypeOf(id)]));
  return !types.includes('opaque') && (types.includes('bf16') || isWide(node));
}
