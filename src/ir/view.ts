/** Nodes as their declarations have them: operands by name, attributes by kind; and tables with an entry for each operator. */
import type { AttrValues, Mapped, OperandSpecs } from './define_op.ts';
import type { Node } from './graph.ts';
import { type AnyOp, type OpName, ops } from './op_table.ts';
import type { ValueId } from './types.ts';

/** A node of one of the operators. */
export type NodeOf<D extends AnyOp> = D extends AnyOp
  ? Node & { readonly op: D['name']; readonly attrs: AttrValues<D['attrs']> }
  : never;

/** Whether a node is of one of the operators. */
export const isOp = <const D extends readonly AnyOp[]>(
  node: Pick<Node, 'op'> | undefined,
  ...declarations: D
): node is NodeOf<D[number]> => node !== undefined && declarations.some(({ name }) => name === node.op);

/** The operands and attributes of a node. */
export type View<D extends AnyOp> = Mapped<D['operands'], { [K in keyof D['operands']]: ValueId }> & {
  readonly attrs: AttrValues<D['attrs']>;
};

/** The operands of a node by name, and its attributes; undefined for a node of another operator. */
export function view<D extends AnyOp>(op: D, node: Node | undefined): View<D> | undefined {
  if (node?.op !== op.name) return undefined;
  const operands: Record<string, ValueId | readonly ValueId[]> = {};
  Object.entries(op.operands as OperandSpecs).forEach(([name, { presence }], i) => {
    const id = node.operands[i];
    if (presence === 'variadic') operands[name] = node.operands.slice(i) as ValueId[];
    else if (id) operands[name] = id;
  });
  return { ...operands, attrs: node.attrs } as unknown as View<D>;
}

/** What operators are called in code, as `nnAdd`. */
export type OpKey = keyof typeof ops;

/** The entry of a node's operator in a table by operator. */
export function byOp<T>(table: Readonly<Partial<Record<OpKey, T>>>): (node: Pick<Node, 'op'>) => T | undefined {
  const entries = Object.entries(table) as [OpKey, T][];
  const byName: ReadonlyMap<OpName, T> = new Map(entries.map(([key, entry]) => [ops[key].name, entry]));
  return ({ op }) => byName.get(op);
}

/** Whether a node is of one of many operators. */
export function oneOf(...declarations: readonly AnyOp[]): (node: Pick<Node, 'op'>) => boolean {
  const names: ReadonlySet<OpName> = new Set(declarations.map(({ name }) => name));
  return ({ op }) => names.has(op);
}
