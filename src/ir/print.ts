/**
 * The textual form, in the manner of Relay and MLIR. `parse(print(g))` equals `g`.
 *
 *   graph @main(%x: u8[1,3,32,32]) -> (%y) {
 *     %c = qnn.conv(%x, @w0, zx=114:u8) {strides=[1,1], pads=[1,1,1,1], dilations=[1,1]} : s32[1,16,32,32]  loc("conv1" QLinearConv)
 *   }
 *   constants { @w0 : s8[16,3,3,3] = base64"…" }
 *
 * Bounds of symbols and the profile of sums that passes read as integers follow the outputs:
 * `-> (%y) sizes(N=[1,1024]) profile="torch-onednn"`. Required operands are positional, optional ones are
 * named. Constants of up to eight elements stand where they are used; those that are outputs are listed, as outputs have
 * names. Attributes that have their default value are left out. A graph inside of an operator stands as the attribute, with its
 * constants behind it.
 */

import { checkOptions, type OptionNames } from '../diagnostics/index.ts';
import { platform } from '../platform/index.ts';
import { bytesOf, type ITensor, isFloat, isHalf, isStoredType, numbersOf, sameBytes } from '../tensors/index.ts';
import type { AttrValue } from './define_op.ts';
import { constantOf, type Graph, type Node } from './graph.ts';
import { opOf } from './op_table.ts';
import { topologicalOrder } from './order.ts';
import { formatType, type Loc, type ValueId } from './types.ts';

export interface PrintOptions {
  /** Leave out the contents of large constants: for people, not for `parse`. */
  readonly elideConstants?: boolean;
  readonly locations?: boolean;
}

const INLINE_LIMIT = 8;

const optionNames: OptionNames<PrintOptions> = { elideConstants: true, locations: true };

export function print(graph: Graph, options: PrintOptions = {}): string {
  checkOptions('print', options, optionNames);
  const { elideConstants = false, locations = true } = options;
  const large = new Set<ValueId>();
  const outputIds = new Set(graph.outputs);
  const reference = (id: ValueId): string => {
    const tensor = graph.values[id]?.constant === undefined ? undefined : constantOf(graph, id);
    if (tensor === undefined) return `%${name(id)}`;
    if (isInline(tensor) && !outputIds.has(id)) return inlineConstant(tensor);
    large.add(id);
    return `@${name(id)}`;
  };
  const inputs = graph.inputs.map((id) => `%${name(id)}: ${formatType(graph.values[id].type)}`);
  const body = topologicalOrder(graph).order.map((node) => {
    const results = node.results.map((id) => `%${name(id)}`).join(', ');
    const types = node.results.map((id) => formatType(graph.values[id].type)).join(', ');
    const call = `${node.op}(${formatOperands(node, reference)})${formatAttrs(node, (inner) => nested(inner, options))}`;
    return `  ${results} = ${call} : ${types}${locations ? formatLoc(node.loc) : ''}`;
  });
  const outputs = graph.outputs.map(reference).join(', ');
  const about = `${formatSymbols(graph)}${graph.profile === undefined ? '' : ` profile=${JSON.stringify(graph.profile)}`}`;
  const head = `graph @${name(graph.name)}(${inputs.join(', ')}) -> (${outputs})${about} {`;
  const lines = [head, ...body, '}'];
  if (large.size > 0) {
    lines.push('constants {');
    for (const id of large) {
      const tensor = constantOf(graph, id) as ITensor;
      const contents = elideConstants
        ? `sha256"${graph.pool.hash(graph.values[id].constant as never)}"`
        : `base64"${platform.base64Of(bytesOf(tensor.data))}"`;
      lines.push(`  @${name(id)} : ${formatType(tensor)} = ${contents}`);
    }
    lines.push('}');
  }
  return `${lines.join('\n')}\n`;
}

/** The text of a graph in another one. */
const nested = (graph: Graph, options: PrintOptions): string =>
  print(graph, options).trimEnd().replaceAll('\n', '\n  ');

const formatSymbols = ({ symbols = {} }: Graph): string => {
  const bounds = Object.entries(symbols).map(
    ([symbol, { min = 0, max = Infinity, name: own }]) =>
      `${name(symbol)}=[${formatNumber(min)},${formatNumber(max)}]${own === undefined ? '' : ` ${JSON.stringify(own)}`}`,
  );
  return bounds.length === 0 ? '' : ` sizes(${bounds.join(', ')})`;
};

/** One node as in `print`, without the contents of constants: for diagnostics and traces. */
export function printNode(graph: Graph, node: Node): string {
  const reference = (id: ValueId): string => {
    const tensor = constantOf(graph, id);
    return tensor === undefined ? `%${name(id)}` : isInline(tensor) ? inlineConstant(tensor) : `@${name(id)}`;
  };
  const types = node.results.map((id) => formatType(graph.values[id].type)).join(', ');
  return `%${name(node.id)} = ${node.op}(${formatOperands(node, reference)})${formatAttrs(node, (inner) => `graph @${name(inner.name)}`)} : ${types}`;
}

/** Names that need no quotes; two slashes begin a comment. */
const name = (id: string): string => (/^(?!\/\/)[A-Za-z0-9_.$/]+$/.test(id) ? id : JSON.stringify(id));

const isInline = (t: ITensor): boolean =>
  !isStoredType(t.dtype) &&
  t.data.length <= INLINE_LIMIT &&
  t.shape.length <= 1 &&
  !isHalf(t.dtype) &&
  !hasMarkedNaN(t);

/** True when some NaN differs in its bits from the one that `nan` stands for. */
function hasMarkedNaN({ dtype, data }: ITensor): boolean {
  if (!isFloat(dtype) || !(data as Float32Array).some(Number.isNaN)) return false;
  const plain = data.slice();
  for (const [i, value] of data.entries()) if (Number.isNaN(value)) plain[i] = Number.NaN;
  return !sameBytes(bytesOf(data), bytesOf(plain));
}

/** `114:u8`, `[1, 2]:s64`. Floats are printed so that they read back to the same bits. */
function inlineConstant(t: ITensor): string {
  const items = t.dtype === 's64' || t.dtype === 'u64' ? Array.from(t.data, String) : numbersOf(t).map(formatNumber);
  return t.shape.length === 0 ? `${items[0]}:${t.dtype}` : `[${items.join(', ')}]:${t.dtype}`;
}

function formatOperands(node: Node, reference: (id: ValueId) => string): string {
  const specs = Object.entries(opOf(node).operands);
  const parts: string[] = [];
  node.operands.forEach((id, i) => {
    const [operand, spec] = specs[Math.min(i, specs.length - 1)] ?? ['', undefined];
    if (spec?.presence === 'optional') {
      if (id !== null) parts.push(`${operand}=${reference(id)}`);
    } else parts.push(id === null ? '_' : reference(id));
  });
  return parts.join(', ');
}

function formatAttrs(node: Node, graphText: (graph: Graph) => string): string {
  const specs = opOf(node).attrs;
  const text = (key: string, value: AttrValue): string =>
    specs[key]?.kind === 'graph' ? graphText(value as Graph) : formatAttr(value);
  const isDefault = (key: string, value: AttrValue): boolean => {
    const fallback = specs[key]?.default;
    return fallback !== undefined && formatAttr(fallback) === formatAttr(value);
  };
  const shown = Object.entries(node.attrs).filter(([key, value]) => !isDefault(key, value));
  return shown.length === 0 ? '' : ` {${shown.map(([key, value]) => `${key}=${text(key, value)}`).join(', ')}}`;
}

function formatAttr(value: AttrValue): string {
  if (typeof value === 'number') return formatNumber(value);
  if (Array.isArray(value)) return `[${value.map(formatAttr).join(',')}]`;
  return JSON.stringify(value);
}

const formatNumber = (n: number): string =>
  Object.is(n, -0) ? '-0' : Number.isNaN(n) ? 'nan' : n === Infinity ? 'inf' : n === -Infinity ? '-inf' : String(n);

/** An operator that the parser takes for one word; `aten::add` is not. */
const WORD = /^(?!inf$|\/\/)[A-Za-z_$/][\w.$/]*$/;

const formatLoc = ({ file, node, op, input }: Loc): string => {
  const parts: string[] = [];
  if (file !== undefined) parts.push(`file=${JSON.stringify(file)}`);
  if (input !== undefined) parts.push(`input=${JSON.stringify(input)}`);
  if (node !== undefined) parts.push(JSON.stringify(node));
  if (op !== undefined) parts.push(WORD.test(op) ? op : `op=${JSON.stringify(op)}`);
  return parts.length === 0 ? '' : `  loc(${parts.join(' ')})`;
};
