/**
 * The part of two graphs that a rewrite changed: everything between a value of both graphs and the nearest operands
 * that both graphs have as well. These operands are unknowns: a proof holds for all of their values.
 */

import {
  type Graph,
  type Node,
  type NodeId,
  nodesOf,
  opOf,
  producersOf,
  sameShape,
  type Trait,
  topologicalOrder,
  type ValueId,
} from '../ir/index.ts';
import { sameData } from '../tensors/index.ts';

/** Both sides as graphs of their own with the same inputs, `leaves`, and the one output `root`. */
export interface Region {
  readonly root: ValueId;
  readonly leaves: readonly ValueId[];
  readonly before: Graph;
  readonly after: Graph;
}

/** Two graphs, indexed once for all their regions. */
export class GraphPair {
  readonly before: Graph;
  readonly after: Graph;
  readonly #producers: readonly [ReadonlyMap<ValueId, Node>, ReadonlyMap<ValueId, Node>];
  /** Positions in an order of `before` in which operands come first. */
  readonly #position: ReadonlyMap<ValueId, number>;

  constructor(before: Graph, after: Graph) {
    this.before = before;
    this.after = after;
    this.#producers = [producersOf(before), producersOf(after)];
    const position = new Map<ValueId, number>(before.inputs.map((id) => [id, -1]));
    topologicalOrder(before).order.forEach((node, i) => {
      for (const id of node.results) position.set(id, i);
    });
    this.#position = position;
  }

  /** The values of both graphs that are computed differently, operands first. */
  changed(): readonly ValueId[] {
    const [before, after] = this.#producers;
    return [...this.#position.keys()].filter((id) => {
      const [old, now] = [before.get(id), after.get(id)];
      if (old === undefined || !(id in this.after.values) || !this.#sameType(id)) return false;
      return now === undefined || !this.#sameNode(old, now);
    });
  }

  /** True when both graphs have the same inputs and outputs: in name, type and order. */
  get sameInterface(): boolean {
    const { before, after } = this;
    const alike = (a: readonly ValueId[], b: readonly ValueId[]) =>
      a.length === b.length && a.every((id, i) => id === b[i] && this.#sameType(id));
    return alike(before.inputs, after.inputs) && alike(before.outputs, after.outputs);
  }

  /** @returns undefined when the graphs share too little: then nothing can be said about the root alone */
  region(root: ValueId): Region | undefined {
    const rank = this.#position.get(root);
    if (rank === undefined || !(root in this.after.values)) return undefined;
    const passed = new Set<ValueId>();
    const stops = (id: ValueId) => !passed.has(id) && this.#positionOf(id) < rank && this.#isShared(id);
    for (;;) {
      const [left, right] = [this.#cut(0, root, stops), this.#cut(1, root, stops)];
      if (left === undefined || right === undefined) return undefined;
      // A value that only one side stops at may be computed from what the other side stops at.
      const lonely = [...left.leaves, ...right.leaves].filter(
        (id) => left.leaves.has(id) !== right.leaves.has(id) && this.#producers[0].has(id),
      );
      if (lonely.length === 0) {
        const leaves = [...new Set([...left.leaves, ...right.leaves])];
        return {
          root,
          leaves,
          before: this.#part(this.before, root, leaves, left.nodes),
          after: this.#part(this.after, root, leaves, right.nodes),
        };
      }
      // The last one first: no other one is computed from it.
      passed.add(lonely.reduce((last, id) => (this.#positionOf(id) > this.#positionOf(last) ? id : last)));
    }
  }

  /** Infinity: a value that `before` does not compute. */
  #positionOf = (id: ValueId): number => this.#position.get(id) ?? Number.POSITIVE_INFINITY;

  #isShared(id: ValueId): boolean {
    const [old, now] = [this.before.values[id], this.after.values[id]];
    return old !== undefined && now !== undefined && now.constant === undefined && this.#sameType(id);
  }

  /** A value of another type is another value, which was given a name that had become free. */
  #sameType(id: ValueId): boolean {
    const [{ type: old }, { type: now }] = [this.before.values[id], this.after.values[id]];
    return old.dtype === now.dtype && sameShape(old.shape, now.shape);
  }

  #sameNode(a: Node, b: Node): boolean {
    return (
      a.op === b.op &&
      a.results.length === b.results.length &&
      a.results.every((id, i) => id === b.results[i]) &&
      a.operands.length === b.operands.length &&
      a.operands.every((id, i) => this.#sameOperand(id, b.operands[i])) &&
      (a.attrs === b.attrs || sameData(a.attrs, b.attrs))
    );
  }

  #sameOperand(a: ValueId | null, b: ValueId | null): boolean {
    if (a === null || b === null) return a === b;
    const [left, right] = [this.before.values[a].constant, this.after.values[b].constant];
    if (left === undefined || right === undefined) return left === right && a === b && this.#sameType(a);
    if (this.before.pool === this.after.pool && left === right) return true;
    return this.before.pool.hash(left) === this.after.pool.hash(right);
  }

  /** The nodes between the root and the shared values, and the shared values that were reached. */
  #cut(side: 0 | 1, root: ValueId, stops: (id: ValueId) => boolean) {
    const graph = side === 0 ? this.before : this.after;
    const leaves = new Set<ValueId>();
    const nodes = new Map<NodeId, Node>();
    const stack = [root];
    for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
      if (graph.values[id].constant !== undefined) continue;
      if (id !== root && stops(id)) {
        leaves.add(id);
        continue;
      }
      const node = this.#producers[side].get(id);
      if (node === undefined) return undefined;
      if (nodes.has(node.id)) continue;
      nodes.set(node.id, node);
      for (const operand of node.operands) if (operand !== null) stack.push(operand);
    }
    return { leaves, nodes };
  }

  #part(graph: Graph, root: ValueId, leaves: readonly ValueId[], nodes: ReadonlyMap<NodeId, Node>): Graph {
    const values: Record<ValueId, Graph['values'][ValueId]> = Object.create(null);
    values[root] = graph.values[root];
    for (const id of leaves) values[id] = { type: (this.before.values[id] ?? graph.values[id]).type };
    for (const node of nodes.values())
      for (const id of [...node.operands, ...node.results]) if (id !== null) values[id] ??= graph.values[id];
    const ordered: Record<NodeId, Node> = Object.create(null);
    for (const node of nodes.values()) ordered[node.id] = node;
    return { name: graph.name, inputs: leaves, outputs: [root], nodes: ordered, values, pool: graph.pool };
  }
}

/** True when every node has one of the traits. */
export const haveTrait = (graph: Graph, ...traits: readonly Trait[]): boolean =>
  nodesOf(graph).every((node) => opOf(node).traits.some((trait) => traits.includes(trait)));
