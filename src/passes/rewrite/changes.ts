/**
 * A frozen graph with other entries, and the patches of immer that replay and undo that. Immer itself would draft records of
 * hundreds of thousands of entries, and look into each new one for drafts.
 */
import { enablePatches, freeze, type Patch } from 'immer';
import type { Graph, Node, NodeId, ValueId, ValueInfo } from '../../ir/index.ts';

// whoever replays a pass does it by immer's applyPatches
enablePatches();

/** Entries by id; undefined: gone. */
export type Changes<K, T> = Iterable<readonly [K, T | undefined]>;

export interface Changed {
  /** The graph itself where all entries are as they were. */
  readonly graph: Graph;
  readonly patches: readonly Patch[];
  readonly inversePatches: readonly Patch[];
}

export function withChanges(graph: Graph, nodes: Changes<NodeId, Node>, values: Changes<ValueId, ValueInfo>): Changed {
  const record = new ChangedRecords(graph);
  const other = { values: record.of('values', values), nodes: record.of('nodes', nodes) };
  const { patches, inversePatches } = record;
  const result = patches.length === 0 ? graph : { ...graph, ...other };
  // what a frozen graph has is frozen, and so are new entries by now
  if (Object.isFrozen(graph)) Object.freeze(result);
  else freeze(result, true);
  return { graph: result, patches, inversePatches };
}

class ChangedRecords {
  readonly #graph: Graph;
  readonly patches: Patch[] = [];
  readonly inversePatches: Patch[] = [];

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  of<K extends 'nodes' | 'values', T extends Graph[K][NodeId]>(name: K, changes: Changes<NodeId, T>): Graph[K] {
    const old = this.#graph[name] as Readonly<Record<NodeId, T>>;
    let made: Record<NodeId, T> | undefined;
    for (const [id, entry] of changes) {
      const isThere = Object.hasOwn(old, id);
      if (isThere ? old[id] === entry : entry === undefined) continue;
      made ??= Object.assign(Object.create(Object.getPrototypeOf(old)), old) as Record<NodeId, T>;
      const path = [name, id];
      if (entry === undefined) {
        delete made[id];
        this.patches.push({ op: 'remove', path });
      } else {
        made[id] = freeze(entry, true);
        this.patches.push({ op: isThere ? 'replace' : 'add', path, value: entry });
      }
      if (isThere) this.inversePatches.push({ op: entry === undefined ? 'add' : 'replace', path, value: old[id] });
      else this.inversePatches.push({ op: 'remove', path });
    }
    return made === undefined ? this.#graph[name] : (Object.freeze(made) as Graph[K]);
  }
}
