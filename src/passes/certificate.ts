/**
 * The claims of a rewrite about its result: the rules that were applied and where, their obligations, and the proofs.
 * The proofs look at the graphs alone (see proofs/check.ts), and are made when the certificate is first read.
 */
import type { Diagnostic } from '../diagnostics/index.ts';
import type { Graph, NodeId, ValueId } from '../ir/index.ts';
import {
  type ByteSums,
  type CheckedRegion,
  checkGraphs,
  isProved,
  isRefuted,
  type Obligation,
  type OnProof,
  Session,
} from '../proofs/index.ts';
import { findRule } from './all_rules.ts';
import { lazily } from './lazily.ts';
import type { PassTrace } from './pass.ts';
import type { Exactness } from './rewrite/rule.ts';
import type { FloatClaim, Target } from './target.ts';

export interface CertificateEntry {
  /** The value whose computation was rewritten. */
  readonly node: string;
  readonly layer: string;
  /** The control-flow nodes in whose bodies it stands, outermost first; absent: it stands in the graph itself. */
  readonly bodyOf?: readonly string[];
  readonly rules: readonly string[];
  /** `bit-exact` when the rules say so and every obligation is proved. */
  readonly exactness: Exactness;
  /** The obligations; absent when proofs look at a larger part (`within`), and for groupings, which follow a recipe. */
  readonly obligations?: readonly Obligation[];
  /** The value with whose obligations this node is proved. */
  readonly within?: string;
  /** The reason why ONNX Runtime computes a group in float: its integers may differ, within the bound. */
  readonly onnxruntime?: string;
}

export interface Certificate {
  /** The profile of sums; absent: `ort`, or stated by the operators themselves. */
  readonly profile?: string;
  /** Notes for the user on the reading of the file: its profile was assumed (U4003). */
  readonly notes?: readonly Diagnostic[];
  /** `bit-exact`: all corrections and fused operators are; `differs`: an obligation is refuted. */
  readonly verdict: 'bit-exact' | 'bounded' | 'differs';
  readonly entries: readonly CertificateEntry[];
  /** The float operators between dequantize and quantize that were read as integer ones. */
  readonly grouping: readonly CertificateEntry[];
  /** The operators of primitives and kernels, compared with those that they were made from; only in compiled models. */
  readonly selection?: readonly CertificateEntry[];
  /**
   * The floats of a compiled model that may differ from the interpreter's in their last bits, and the claim about them;
   * absent when there are none.
   */
  readonly floats?: FloatClaim;
}

type Checked = ReadonlyMap<ValueId, CheckedRegion>;

/** The proofs about one rewriting; passes over weights are shared by all of them. */
export class Prover {
  readonly #session: Session;
  readonly #onProof: OnProof | undefined;

  /** @param sums how 8-bit weights are added up */
  constructor(sums?: ByteSums, onProof?: OnProof) {
    this.#session = new Session(undefined, sums);
    this.#onProof = onProof;
  }

  /** Checks corrections: `before` and `after` mean the same. */
  corrections = (before: Graph, after: Graph): Checked => checkGraphs(before, after, this.#session, this.#onProof);

  /** Checks selection: the fused operators mean the same, and the primitives compute their meaning. */
  selection(before: Graph, selected: Graph, by: Pick<Target, 'owes'>): Checked {
    const checked = new Map(checkGraphs(before, selected, this.#session, this.#onProof));
    for (const [node, obligations] of by.owes(selected, this.#session)) {
      const region = checked.get(node);
      checked.set(node, {
        nodes: region?.nodes ?? [node],
        obligations: [...(region?.obligations ?? []), ...obligations],
      });
    }
    return checked;
  }
}

/** What a rewriting says about itself before any proof: plain data, which may go to another thread. */
export interface Claims extends Pick<Certificate, 'profile' | 'notes' | 'grouping'> {
  /** The rules behind each node of the result, and the layer that it belongs to. */
  readonly rewrites: Rewrites;
  /** The entries where they were proved already. */
  readonly proved?: readonly CertificateEntry[];
}

/** The claims of the passes; with `leftInFloat` groupings say where ONNX Runtime takes another arithmetic. */
export function claimsOf(
  graph: Graph,
  grouping: readonly PassTrace[],
  corrections: readonly PassTrace[],
  leftInFloat: ReadonlyMap<string, string> = new Map(),
): Claims {
  return {
    ...readAs(graph),
    rewrites: rewritesIn(graph, corrections),
    grouping: entriesOf(graph, rewritesIn(graph, grouping)).map((entry) => {
      const onnxruntime = entry.exactness === 'bit-exact' ? undefined : leftInFloat.get(entry.node);
      return onnxruntime === undefined ? entry : { ...entry, onnxruntime };
    }),
  };
}

/**
 * The certificate of a corrected graph. Rules know their own exactness; with `checked` every entry lists its obligations as well.
 */
export function certificateOf(
  graph: Graph,
  { rewrites, proved, ...claims }: Claims,
  checked?: () => Checked,
): Certificate {
  const entries = lazily(() => proved ?? entriesOf(graph, rewrites, checked?.()));
  return {
    ...claims,
    get verdict() {
      return verdictOf(entries());
    },
    get entries() {
      return entries();
    },
  };
}

function readAs({ profile, origin }: Graph): Pick<Certificate, 'profile' | 'notes'> {
  const followed = profile ?? origin?.profile;
  const notes = origin?.notes ?? [];
  return { ...(followed && { profile: followed }), ...(notes.length > 0 && { notes }) };
}

/** The certificate of a compiled graph: the earlier one, and the selection of its operators. */
export function withSelection(
  certificate: Certificate,
  prover: Prover,
  { corrected, selected }: { readonly corrected: Graph; readonly selected: Graph },
  by: Pick<Target, 'owes' | 'floats'>,
): Certificate {
  const selection = lazily(() => entriesOf(selected, new Map(), prover.selection(corrected, selected, by)));
  const floats = by.floats?.(selected);
  return {
    ...(certificate.profile && { profile: certificate.profile }),
    ...(certificate.notes && { notes: certificate.notes }),
    get verdict() {
      return verdictOf([...certificate.entries, ...selection()]);
    },
    get entries() {
      return certificate.entries;
    },
    grouping: certificate.grouping,
    ...(floats && { floats }),
    get selection() {
      return selection();
    },
  };
}

function verdictOf(entries: readonly CertificateEntry[]): Certificate['verdict'] {
  if (entries.some(({ obligations }) => obligations?.some(isRefuted))) return 'differs';
  return entries.every(({ exactness }) => exactness === 'bit-exact') ? 'bit-exact' : 'bounded';
}

export type Rewrites = ReadonlyMap<NodeId, { readonly layer: string; readonly rules: ReadonlySet<string> }>;

/** The rules that made the remaining nodes. */
function rewritesIn(graph: Graph, trace: readonly PassTrace[]): Rewrites {
  const byNode = new Map<NodeId, { layer: string; rules: Set<string> }>();
  for (const { rule, root, loc } of trace.flatMap((step) => step.events)) {
    const entry = byNode.get(root) ?? { layer: loc.node ?? root, rules: new Set() };
    byNode.set(root, entry);
    entry.rules.add(rule);
  }
  return new Map([...byNode].filter(([node]) => graph.nodes[node] !== undefined));
}

function entriesOf(graph: Graph, rewrites: Rewrites, checked?: Checked): CertificateEntry[] {
  const within = new Map<NodeId, NodeId>();
  for (const [root, { nodes }] of checked ?? []) for (const node of nodes) if (node !== root) within.set(node, root);
  const nodes = new Set<NodeId>([...rewrites.keys(), ...(checked?.keys() ?? [])]);
  return [...nodes].map((node) => {
    const { layer = graph.nodes[node]?.loc.node ?? node, rules = new Set<string>() } = rewrites.get(node) ?? {};
    const root = within.get(node);
    const obligations = checked && (checked.get(node)?.obligations ?? (root === undefined ? [] : undefined));
    return {
      node,
      layer,
      rules: [...rules],
      exactness: exactnessOf([...rules], obligations ?? []),
      ...(obligations && { obligations }),
      ...(checked && obligations === undefined && { within: root }),
    };
  });
}

/** Bit-exact when all rules are and all obligations are proved, else the bounds together. */
function exactnessOf(rules: readonly string[], obligations: readonly Obligation[]): Exactness {
  const bounds = [
    ...rules.flatMap((name) => {
      const exactness = findRule(name)?.exactness ?? 'bit-exact';
      return exactness === 'bit-exact' ? [] : [exactness.bound];
    }),
    ...obligations.filter((o) => !isProved(o)).map(reasonOf),
  ];
  return bounds.length === 0 ? 'bit-exact' : { bound: [...new Set(bounds)].join('; ') };
}

function reasonOf({ what, verdict }: Obligation): string {
  if (verdict === 'proved') return '';
  if ('open' in verdict) return `not proved that ${what}: ${verdict.open}`;
  const { output, index, before, after, accumulators } = verdict.refuted;
  const where = accumulators
    ? `at the sums ${accumulators.map(([from, to]) => (from === to ? from : `${from} … ${to}`)).join(', ')}`
    : `on an input where %${output}[${index.join(', ')}] is ${before} before and ${after} after`;
  return `differs ${where}`;
}
