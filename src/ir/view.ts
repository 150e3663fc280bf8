/** Nodes as their declarations have them: operands by name, attributes by kind; and tables with an entry for each operator. */
import { assert } from '../diagnostics/index.ts';
import type { AttrValues, Mapped, OperandValues } from './define_op.ts';
import type { Node } from './graph.ts';
import { type AnyOp, allOps, type OpName, ops } from './op_table.ts';
import type { ValueId } from './types.ts';

/** A node of one of the operators. */
export type NodeOf<D extends AnyOp> = D extends AnyOp
  ? Node & { readonly op: D['name']; readonly attrs: AttrValues<D['attrs']> }
  : never;

/** True when a node belongs to one of the operators. Compilers ask so often that a closure for each question is felt. */
export function isOp<const D extends readonly AnyOp[]>(
  node: Pick<Node, 'op'> | undefined,
  ...declarations: D
): node is NodeOf<D[number]> {
  if (node === undefined) return false;
  for (let i = 0; i < declarations.length; i++) if (declarations[i].name === node.op) return true;
  return false;
}

/** A node as its declaration has it: operands and results by name, attributes by kind. */
export type View<D extends AnyOp> = Mapped<D['operands'], { [K in keyof D['operands']]: ValueId }> & {
  readonly [K in keyof D['results']]: ValueId;
} & {
  readonly attrs: AttrValues<D['attrs']>;
  readonly node: Node;
};

/** The view of a node; undefined for a node of another operator. */
export const view = <D extends AnyOp>(op: D, node: Node | undefined): View<D> | undefined =>
  node?.op === op.name ? viewOf<D>(node) : undefined;

/** The names of operands and results as lists, computed once per operator, since nodes are looked at more often. */
const names = new Map(
  allOps.map((op) => [
    op.name,
    {
      operands: Object.entries(op.operands).map(([name, { presence }]) => ({
        name,
        isVariadic: presence === 'variadic',
      })),
      results: Object.keys(op.results),
    },
  ]),
);

function namesOf({ op }: Node) {
  const found = names.get(op);
  assert(found, `${op} is not an operator`);
  return found;
}

/** The view of a node whose operator is known to be D, or one of a union D. */
export function viewOf<D extends AnyOp>(node: Node): View<D> {
  const seen: Record<string, unknown> = operandsByName(node, (id) => id);
  namesOf(node).results.forEach((name, i) => {
    seen[name] = node.results[i];
  });
  seen.attrs = node.attrs;
  seen.node = node;
  return seen as View<AnyOp> as View<D>;
}

/** A node whose operands are given as facts about each of them instead of names. */
export type Seen<D extends AnyOp, T> = Mapped<
  D['operands'],
  { readonly [K in keyof D['operands']]: T } & { readonly [operand: string]: T }
> & {
  readonly attrs: AttrValues<D['attrs']>;
  readonly node: Node;
};

/** The same of a node whose operator is known to be D, or one of a union D. */
export function seenAs<D extends AnyOp, T>(node: Node, of: (id: ValueId) => T): Seen<D, T> {
  const seen: Record<string, unknown> = operandsByName(node, of);
  seen.attrs = node.attrs;
  seen.node = node;
  return seen as Seen<AnyOp, T> as Seen<D, T>;
}

/** A node whose operands are given as values, of the element types of the declaration. */
export type ValueView<D extends AnyOp> = OperandValues<D['operands']> & {
  readonly attrs: AttrValues<D['attrs']>;
  readonly node: Node;
};

/** The operands of a node by name, each as `of` has it; absent ones are left out. */
export function operandsByName<T>(node: Node, of: (id: ValueId) => T): Record<string, T | readonly T[]> {
  const named: Record<string, T | readonly T[]> = {};
  namesOf(node).operands.forEach(({ name, isVariadic }, i) => {
    const id = node.operands[i];
    if (isVariadic) named[name] = node.operands.slice(i).map((each) => of(each as ValueId));
    else if (id) named[name] = of(id);
  });
  return named;
}

/** The names of operators in code, such as `nnAdd`. */
export type OpKey = keyof typeof ops;

const keys: ReadonlyMap<OpName, OpKey> = new Map((Object.keys(ops) as OpKey[]).map((key) => [ops[key].name, key]));

/** The name of a node's operator in code. */
export function keyOf({ op }: Pick<Node, 'op'>): OpKey {
  const key = keys.get(op);
  assert(key, `${op} is not an operator`);
  return key;
}

/** The entry of a node's operator in a table by operator. */
export function byOp<T>(table: Readonly<Partial<Record<OpKey, T>>>): (node: Pick<Node, 'op'>) => T | undefined {
  return ({ op }) => {
    const key = keys.get(op);
    return key && table[key];
  };
}

/** Makes a test for nodes whose operator has an entry in the table, or is one of the others. */
export const among = (table: Readonly<Partial<Record<OpKey, unknown>>>, ...others: readonly AnyOp[]) =>
  oneOf(...(Object.keys(table) as OpKey[]).map((key) => ops[key]), ...others);

/** Makes a test for nodes of one of many operators. */
export function oneOf(...declarations: readonly AnyOp[]): (node: Pick<Node, 'op'>) => boolean {
  const names: ReadonlySet<OpName> = new Set(declarations.map(({ name }) => name));
  return ({ op }) => names.has(op);
}
