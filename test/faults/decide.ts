/** Judges an entry: unskew gives the right result, refuses as it may, or falls short. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createPeer } from '../../src/cli/onnxruntime.ts';
import { randomFeeds } from '../../src/cli/random.ts';
import { compile, UnskewError } from '../../src/index.ts';
import { type Graph, toPublic } from '../../src/ir/index.ts';
import { importModel } from '../../src/runtime/import_model.ts';
import { hasVnni, mayLeaveInt16 } from '../support/exact_weights.ts';
import { unskew } from '../unit/cli/support.ts';
import type { Check, Expectation, Fault } from './entries.ts';
import { difference, readTensors, type Tensors } from './tensors.ts';
import { zeroPointsLeft } from './zero_points.ts';

export type Verdict = 'right' | 'refused-as-right' | 'refused' | 'WRONG' | 'SLOW' | 'CRASH';
export interface Decision {
  readonly verdict: Verdict;
  readonly why?: string;
}

/** From best to worst: an entry is as good as its worst check. */
const order: readonly Verdict[] = ['right', 'refused-as-right', 'refused', 'SLOW', 'WRONG', 'CRASH'];

export async function decide(root: string, fault: Fault): Promise<Decision> {
  const folder = mkdtempSync(join(tmpdir(), 'unskew-fault-'));
  try {
    let worst: Decision = { verdict: 'right' };
    for (const check of fault.checks) {
      const found = await decideCheck({ root, file: join(root, fault.file), folder }, check);
      if (order.indexOf(found.verdict) > order.indexOf(worst.verdict))
        worst = { ...found, why: `${check.cmd}: ${found.why}` };
    }
    return worst;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Place {
  readonly root: string;
  readonly file: string;
  /** For files that are written. */
  readonly folder: string;
}

/** The outcome of a command. */
type Outcome =
  | { readonly kind: 'outputs'; readonly runs: readonly Tensors[]; readonly expected?: Tensors }
  | { readonly kind: 'error'; readonly text: string; readonly coded: boolean }
  | { readonly kind: 'command'; readonly code: number; readonly text: string; readonly out?: string }
  | { readonly kind: 'names'; readonly names: readonly (readonly string[])[] }
  | { readonly kind: 'time'; readonly seconds: number; readonly ratio: number };

async function decideCheck(place: Place, check: Check): Promise<Decision> {
  const outcomes = await Promise.all((check.backends ?? ['onednn']).map((backend) => perform(place, check, backend)));
  let worst: Decision = { verdict: 'right' };
  for (const outcome of outcomes) {
    const alternatives = check.expect.either ?? [check.expect];
    const whys: string[] = [];
    let met: Expectation | undefined;
    for (const expect of alternatives) {
      const why = await fallsShort(place, expect, outcome, check);
      if (why === undefined) met = expect;
      else whys.push(why);
      if (met) break;
    }
    const found = met ? metVerdict(met, outcome) : missed(outcome, whys.join('; or '), check);
    if (order.indexOf(found.verdict) > order.indexOf(worst.verdict)) worst = found;
  }
  return worst;
}

const metVerdict = (met: Expectation, outcome: Outcome): Decision =>
  met.error !== undefined || (outcome.kind === 'command' && outcome.code !== 0)
    ? { verdict: 'refused-as-right', why: textOf(outcome) }
    : { verdict: 'right' };

function missed(outcome: Outcome, why: string, check: Check): Decision {
  if (outcome.kind === 'time') return { verdict: 'SLOW', why };
  if (outcome.kind === 'error' && outcome.coded)
    return { verdict: check.refusal ? 'refused-as-right' : 'refused', why: outcome.text };
  if (outcome.kind === 'error' || (outcome.kind === 'command' && outcome.code === 70))
    return { verdict: 'CRASH', why: textOf(outcome) };
  if (outcome.kind === 'command' && outcome.code !== 0 && /U\d{4}/.test(outcome.text))
    return { verdict: 'refused', why: outcome.text };
  return { verdict: 'WRONG', why };
}

const textOf = (outcome: Outcome): string =>
  outcome.kind === 'error' || outcome.kind === 'command' ? outcome.text.trim() : '';

async function perform(place: Place, check: Check, backend: 'onednn' | 'reference'): Promise<Outcome> {
  const { root, file, folder } = place;
  try {
    if (check.cmd === 'run') return await run(place, check, backend);
    if (check.cmd === 'import') {
      await importModel(file, check.options as never);
      return { kind: 'outputs', runs: [] };
    }
    const out = join(folder, check.cmd === 'rewrite' ? 'out.onnx' : 'out');
    const fill = (args: readonly string[] = []) =>
      args.map((a) => a.replaceAll('{file}', file).replaceAll('{root}', root).replaceAll('{out}', out));
    if (check.cmd === 'time') {
      const [seconds, base] = [await timeOf(fill(check.args)), await timeOf(fill(check.base))];
      return { kind: 'time', seconds, ratio: seconds / base };
    }
    if (check.cmd === 'names') return { kind: 'names', names: await writtenNames(place) };
    const args = check.cmd === 'cli' ? fill(check.args) : ['rewrite', file, '-o', out, ...fill(check.args)];
    const { code, stdout, stderr } = await unskew(args);
    return { kind: 'command', code, text: `${stdout}\n${stderr}`, out };
  } catch (error) {
    const coded = error instanceof UnskewError;
    return { kind: 'error', coded, text: coded ? error.message : `${(error as Error).stack}` };
  }
}

async function run({ root, file }: Place, check: Check, backend: 'onednn' | 'reference'): Promise<Outcome> {
  if (check.inputs === undefined) return runLikeOnnxRuntime(file);
  const model = await compile(file, { ...check.options, backend, threads: 1 });
  try {
    const feeds = readTensors(root, check.inputs);
    return { kind: 'outputs', runs: [await model.run(feeds), await model.run(feeds)] };
  } finally {
    model.dispose();
  }
}

/** On random inputs; ONNX Runtime's results are expected. */
async function runLikeOnnxRuntime(file: string): Promise<Outcome> {
  const feeds = publicly(await importModel(file));
  const expected = await peerOutputs(file, feeds);
  const model = await compile(file, { threads: 1 });
  try {
    return { kind: 'outputs', runs: [await model.run(feeds)], expected };
  } finally {
    model.dispose();
  }
}

const publicly = (graph: Graph) =>
  Object.fromEntries(Object.entries(randomFeeds(graph, 1)).map(([name, t]) => [name, toPublic(t)]));

async function timeOf(args: readonly string[]): Promise<number> {
  const start = performance.now();
  await unskew(args);
  return (performance.now() - start) / 1000;
}

/** Names of the outputs of a compiled file, and of the textual IR beside a rewritten file. */
async function writtenNames({ file, folder }: Place): Promise<string[][]> {
  const [compiled, ir] = [join(folder, 'm.unskew'), join(folder, 'm.qir')];
  const done = [
    await unskew(['compile', file, '-o', compiled]),
    await unskew(['rewrite', file, '-o', join(folder, 'm.onnx'), '--emit-ir', ir]),
  ];
  for (const { code, stderr } of done) if (code !== 0) throw new Error(stderr);
  const names: string[][] = [];
  for (const path of [compiled, ir]) {
    const { stdout } = await unskew(['inspect', path, '--json']);
    names.push(JSON.parse(stdout).outputs.map(({ name }: { name: string }) => name));
  }
  return names;
}

/** The reason why an outcome is not the expected one; undefined for the expected outcome. */
async function fallsShort(
  place: Place,
  expect: Expectation,
  outcome: Outcome,
  check: Check,
): Promise<string | undefined> {
  if (expect.error !== undefined) {
    const matches = outcome.kind === 'error' && outcome.coded && new RegExp(expect.error).test(outcome.text);
    return matches ? undefined : `no error that matches /${expect.error}/`;
  }
  switch (outcome.kind) {
    case 'error':
      return outcome.text;
    case 'time':
      return outcome.ratio <= (expect.ratio ?? Infinity) || outcome.seconds <= (expect.seconds ?? 0)
        ? undefined
        : `${outcome.seconds.toFixed(1)} s, ${outcome.ratio.toFixed(1)} times the base`;
    case 'names':
      return outcome.names.every((names) => String(names) === String(expect.names))
        ? undefined
        : `the names are ${outcome.names.join(' and ')}`;
    case 'outputs':
      return outputsFallShort(place.root, expect, outcome);
    case 'command':
      return commandFallsShort(place, expect, outcome, check);
  }
}

function outputsFallShort(root: string, expect: Expectation, { runs, expected }: Outcome & { kind: 'outputs' }) {
  if (expected) return difference(runs[0], expected, expect);
  if (expect.differs && difference(runs[0], readTensors(root, expect.differs), expect) === undefined)
    return 'the outputs are those that are wrong';
  const [first, second] = [expect.outputs ?? {}, expect.then ?? expect.outputs ?? {}];
  if (runs.length === 0) return undefined;
  return (
    difference(runs[0], readTensors(root, first), expect) ?? difference(runs[1], readTensors(root, second), expect)
  );
}

async function commandFallsShort(
  { root, file }: Place,
  expect: Expectation,
  { code, text, out = '' }: Outcome & { kind: 'command' },
  check: Check,
): Promise<string | undefined> {
  if (expect.exit && !expect.exit.includes(code)) return `exit ${code}: ${text.trim()}`;
  if (expect.output && !new RegExp(expect.output).test(text)) return `nothing printed matches /${expect.output}/`;
  for (const [name, npy] of Object.entries(expect.npy ?? {})) {
    if (!existsSync(join(out, `${name}.npy`))) return `no ${name}.npy was written`;
    const found = readTensors(out, { [name]: `${name}.npy` });
    const why = difference(found, readTensors(root, { [name]: npy }), expect);
    if (why) return why;
  }
  if (check.cmd === 'cli') return undefined;
  if (expect.unchanged)
    // 3: layers that no rule touches keep their zero points, and the command names them
    return (code === 0 || code === 3) && readFileSync(file).equals(readFileSync(out))
      ? undefined
      : `exit ${code}, or other bytes`;
  if (expect.likeTheModel !== undefined) {
    const inputs = readTensors(root, check.inputs);
    const [model, written] = [await peerOutputs(file, inputs), await peerOutputs(out, inputs)];
    return difference(written, model, { part: expect.likeTheModel });
  }
  if (!expect.written && !expect.nothingLeft) return undefined;
  if (code !== 0) return `exit ${code}: ${text.trim()}`;
  const left = zeroPointsLeft(readFileSync(out));
  if (
    (expect.nothingLeft || expect.written?.zeroPoints !== undefined) &&
    left.length !== (expect.written?.zeroPoints ?? 0)
  )
    return `${left.length} zero points are left: ${left.map((l) => `${l.operator} ${l.node} input ${l.input}`).join(', ')}`;
  if (!expect.written) return undefined;
  const { inputs, outputs, ...allowed } = expect.written;
  for (const graphOptimizationLevel of ['disabled', 'all'] as const) {
    const where = `${basename(out)} in ONNX Runtime (${graphOptimizationLevel})`;
    try {
      const found = await peerOutputs(out, readTensors(root, inputs), graphOptimizationLevel);
      if (unjudged.has(out)) continue;
      const why = difference(found, readTensors(root, outputs), allowed);
      if (why) return `${where}: ${why}`;
    } catch (error) {
      return `${where}: ${(error as Error).message}`;
    }
  }
  return undefined;
}

/** Files whose expected results are the interpreter's, since ONNX Runtime saturates here. */
export const stoodIn = new Set<string>();
const unjudged = new Set<string>();

/**
 * The outputs of ONNX Runtime, or of the interpreter when products of the file saturate on this machine. Without inputs
 * nothing is computed, and only the loading of the file is tested.
 */
async function peerOutputs(
  file: string,
  inputs: ReturnType<typeof readTensors>,
  graphOptimizationLevel: 'disabled' | 'all' = 'all',
): Promise<Tensors> {
  const peer = await createPeer(file, { threads: 1, graphOptimizationLevel });
  try {
    if (Object.keys(inputs).length === 0) return {};
    const isSaturated = !hasVnni && mayLeaveInt16(readFileSync(file), {});
    const stands = isSaturated ? await interpreted(file, inputs) : undefined;
    return stands ?? ((await peer.run(inputs as never)) as unknown as Tensors);
  } finally {
    await peer.dispose();
  }
}

/** Undefined where an operator is carried: then no result of the file is known. */
async function interpreted(file: string, inputs: ReturnType<typeof readTensors>): Promise<Tensors | undefined> {
  stoodIn.add(file);
  try {
    const model = await compile(file, { backend: 'reference' });
    const found = await model.run(inputs);
    model.dispose();
    return found;
  } catch (error) {
    if (!(error instanceof UnskewError && error.code === 'U2008')) throw error;
    unjudged.add(file);
    return undefined;
  }
}
