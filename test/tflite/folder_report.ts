/**
 * Compares every model of a folder with LiteRT's answers: `npx tsx test/tflite/folder_report.ts DIR [NAME] [--wrong]
 * [--on interpreter,addon]`. Beside every model lies a JSON file of its name with sets of inputs, the outputs of either profile, and
 * the results of operators under the reference kernels; outputs that read a carried operator are left out.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { importTflite, type TfliteOrigin } from '../../src/importers/tflite/import.ts';
import { type TfliteProfile, tfliteProfiles } from '../../src/importers/tflite/profiles.ts';
import {
  type Feeds,
  type Graph,
  type ITensor,
  interpret,
  isOp,
  nodesOf,
  opaqueOp,
  transposed,
} from '../../src/ir/index.ts';
import { type EngineName, engines, enginesAsked, wordsOf } from './engines.ts';
import { difference, tensorOfRecord } from './operator_cases.ts';
import { startOf } from './runs.ts';

type Recorded = Parameters<typeof tensorOfRecord>[0];

interface RecordedSet {
  readonly inputs: readonly Recorded[];
  readonly ref: readonly Recorded[] | null;
  readonly xnnpack: readonly Recorded[] | null;
  readonly ref_inner: readonly (Recorded & { readonly index: number })[];
}

interface RecordedFile {
  readonly fails?: string;
  readonly sets?: readonly RecordedSet[];
}

const words = process.argv.slice(2);
const [folder, only = ''] = wordsOf(words);
const shows = words.includes('--wrong');

/** Largest difference of floats, in the terms of the largest element, that sums in another order excuse. */
const SLACK = 2 ** -16;

interface Verdict {
  readonly status: 'equal' | 'last bits' | 'wrong' | 'refused' | 'carried' | 'no answer';
  readonly largest: number;
  readonly why: readonly string[];
}

const channelsLast = (t: ITensor): ITensor => {
  const rank = t.shape.length;
  return rank < 3 ? t : transposed(t, [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1]);
};

/** The largest difference of two float tensors in the terms of the largest element; undefined for other differences. */
function distance(want: ITensor, got: ITensor): number | undefined {
  if (want.dtype !== 'f32' || got.dtype !== 'f32' || want.data.length !== got.data.length) return undefined;
  let [most, largest] = [0, 0];
  for (let i = 0; i < want.data.length; i++) {
    const [a, b] = [Number(want.data[i]), Number(got.data[i])];
    if (Object.is(a, b)) continue;
    if (!Number.isFinite(a) || !Number.isFinite(b)) return undefined;
    largest = Math.max(largest, Math.abs(a - b));
  }
  for (const a of want.data) most = Math.max(most, Math.abs(Number(a)));
  return largest === 0 ? 0 : largest / most;
}

/** The results of operators that are not those of the reference kernels, in order. */
function innerOf(graph: Graph, set: RecordedSet, feeds: Feeds): string[] {
  const { tensors, operators } = (graph.origin as TfliteOrigin).model.subgraphs[0];
  const seen = new Map<string, ITensor>();
  interpret(graph, feeds, {
    observe: ({ results }, values) => {
      for (const [i, id] of results.entries()) seen.set(id, values[i]);
    },
  });
  const recorded = new Map(set.ref_inner.map((record) => [record.index, record]));
  const wrong: string[] = [];
  for (const { name, outputs } of operators)
    for (const index of outputs) {
      const record = recorded.get(index);
      const label = tensors[index].name;
      const first = seen.get(`${label}:channels_first`);
      const got = first ? channelsLast(first) : seen.get(label);
      if (!record || !got) continue;
      const want = tensorOfRecord(record);
      const candidates = [got, channelsLast(got)].filter((t) => `${t.shape}` === `${want.shape}`);
      if (candidates.length === 0 || candidates.some((t) => difference(want, t, SLACK) === undefined)) continue;
      wrong.push(`${name} -> ${index} ${label.slice(-40)}: ${difference(want, candidates[0], SLACK)}`);
    }
  return wrong;
}

/** The outputs that depend on no carried operator, and the nodes that they depend on. */
function understoodPart(graph: Graph): Graph {
  const carried = new Set<string>();
  for (const node of nodesOf(graph))
    if (isOp(node, opaqueOp) || node.operands.some((id) => id !== null && carried.has(id)))
      for (const id of node.results) carried.add(id);
  const outputs = graph.outputs.filter((id) => !carried.has(id));
  const needed = new Set<string>(outputs);
  const nodes = [...nodesOf(graph)].reverse().filter((node) => {
    if (!node.results.some((id) => needed.has(id))) return false;
    for (const id of node.operands) if (id !== null) needed.add(id);
    return true;
  });
  return { ...graph, outputs, nodes: Object.fromEntries(nodes.reverse().map((node) => [node.id, node])) };
}

async function verdictOf(path: string, file: string, profile: TfliteProfile, on: EngineName): Promise<Verdict> {
  const record: RecordedFile = JSON.parse(readFileSync(path.replace(/tflite$/, 'json'), 'utf8'));
  try {
    const options = { file, profile, state: 'inputs-and-outputs' } as const;
    const whole = importTflite(readFileSync(path), options);
    const given = record.sets?.[0].inputs.map(({ dims }, i) => [whole.inputs[i], dims] as const) ?? [];
    const others = given.filter(([name, dims]) => `${whole.values[name].type.shape}` !== `${dims}`);
    const graph =
      others.length === 0
        ? whole
        : importTflite(readFileSync(path), { ...options, inputShapes: Object.fromEntries(others) });
    const carried = graph.origin?.unsupported ?? [];
    if (record.fails !== undefined) return { status: 'no answer', largest: 0, why: [record.fails] };
    const why: string[] = [];
    let largest = 0;
    const part = carried.length > 0 ? understoodPart(graph) : graph;
    const engine = await engines[on](part);
    for (const [s, set] of (record.sets ?? []).entries()) {
      const fed = set.inputs.map((r, i) => [graph.inputs[i], tensorOfRecord(r)]);
      const feeds = { ...Object.fromEntries(fed), ...startOf(graph) };
      const results = await engine.run(feeds);
      const recorded = profile === 'tflite' ? set.ref : set.xnnpack;
      if (recorded === null) {
        await engine.close();
        return { status: 'no answer', largest: 0, why: ['the engine does not run it'] };
      }
      for (const [i, r] of recorded.entries()) {
        const [want, got] = [tensorOfRecord(r), results[graph.outputs[i]]];
        if (got === undefined) continue;
        const d = difference(want, got, 0);
        if (d === undefined) continue;
        const by = `${got.shape}` === `${want.shape}` || want.shape.length <= 1 ? distance(want, got) : undefined;
        largest = Math.max(largest, by ?? 0);
        if (by === undefined || by > SLACK)
          why.push(
            `set ${s} output ${i} ${graph.outputs[i].slice(-40)}: ${d}${by === undefined ? '' : `, by ${by.toExponential(1)}`}`,
          );
      }
      if (why.length > 0 && shows && profile === 'tflite' && on === 'interpreter')
        why.push(
          ...innerOf(part, set, feeds)
            .slice(0, 6)
            .map((line) => `  inside: ${line}`),
        );
    }
    await engine.close();
    const notes = carried.map((c) => `${c.operator}: ${c.reason} [${c.value.slice(-30)}]`);
    if (carried.length > 0) return { status: why.length > 0 ? 'wrong' : 'carried', largest, why: [...why, ...notes] };
    return { status: why.length > 0 ? 'wrong' : largest > 0 ? 'last bits' : 'equal', largest, why };
  } catch (error) {
    if (error instanceof UnskewError) return { status: 'refused', largest: 0, why: error.message.split('\n') };
    return {
      status: 'wrong',
      largest: 0,
      why: [`THROWS ${error instanceof Error ? error.stack?.split('\n').slice(0, 4).join(' | ') : error}`],
    };
  }
}

const recordOf = (file: string): string => join(folder, file.replace(/tflite$/, 'json'));

for (const file of readdirSync(folder).filter(
  (name) => name.endsWith('.tflite') && name.startsWith(only) && existsSync(recordOf(name)),
))
  for (const profile of tfliteProfiles)
    for (const on of enginesAsked(words)) {
      const { status, largest, why } = await verdictOf(join(folder, file), file, profile, on);
      const by = largest > 0 ? ` ${largest.toExponential(1)}` : '';
      console.log(`${file.padEnd(34)} ${profile.padEnd(8)} ${on.padEnd(12)} ${status}${by}`);
      if (shows) for (const line of why) console.log(`      ${line}`);
    }
