/**
 * The phases of one graph, timed in a process of its own: `node --import tsx bench/scaling/phases.ts SHAPE NODES`. It
 * prints a line of JSON after each phase, so that a process that is ended early leaves what it has timed.
 */
import { readCompiledFile, writeCompiledFile } from '../../src/codegen/compiled_file.ts';
import { legalize } from '../../src/codegen/legalize.ts';
import { planGraph } from '../../src/codegen/partition.ts';
import { select } from '../../src/codegen/select.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type Graph, interpret, isStatic, nodesOf, parse, print, specialize, tensor } from '../../src/ir/index.ts';
import { foldWeights } from '../../src/passes/fold_constants.ts';
import { legalizeFor } from '../../src/passes/legalize.ts';
import { runPipeline } from '../../src/passes/manager.ts';
import { usualBackend } from '../../src/runtime/backend_names.ts';
import { backends, openHere } from '../../src/runtime/backends.ts';
import { Executable } from '../../src/runtime/executable.ts';
import { type ShapeName, shapes } from './shapes.ts';

export interface PhaseTimes {
  /** CPU time in ms, in the order in which they ran: on a busy machine it says more than the clock. */
  readonly milliseconds: Readonly<Record<string, number>>;
  readonly peakMB: number;
}

/** From bytes to a first run, then the ways out: ONNX, text, a compiled file. */
export function timePhases(shape: ShapeName, size: number, report: (times: PhaseTimes) => void): void {
  const milliseconds: Record<string, number> = {};
  const timed = <T>(name: string, body: () => T): T => {
    const start = process.cpuUsage();
    const result = body();
    const { user, system } = process.cpuUsage(start);
    milliseconds[name] = (user + system) / 1000;
    report({ milliseconds, peakMB: process.resourceUsage().maxRSS / 1024 });
    return result;
  };
  const bytes = shapes[shape](size);
  const graph = timed('import', () => importOnnx(bytes));
  const isRunnable = !nodesOf(graph).some(({ op }) => op === 'opaque');
  if (isRunnable) {
    const machine = backends[usualBackend].here(1);
    const asked = openHere([usualBackend], 1);
    const [target] = asked;
    const { byteSums } = target;
    const legalized = timed('legalize', () => legalizeFor(graph, target, byteSums && { byteSums }));
    const selected = timed('select', () => {
      const chosen = runPipeline(legalized.graph, [select(target)], { target }).graph;
      return runPipeline(chosen, [foldWeights(target.level)], { target }).graph;
    });
    const certificate = timed('certify', () => {
      const whole = legalized.certify(selected);
      if (whole.verdict === 'differs') throw new Error(`${shape} is refuted`);
      return whole;
    });
    const compiled = { graph: selected, target: machine, certificate, strategies: legalized.strategies };
    const bound = timed('specialize', () => specialize(selected, new Map([['N', 2]])));
    timed('plan', () => planGraph(bound, asked));
    const executable = timed('plan + sessions', () => Executable.of(bound, asked));
    const feeds = Object.fromEntries(bound.inputs.map((id) => [id, feedOf(bound, id)]));
    timed('run', () => executable.runSync(feeds));
    timed('interpret', () => interpret(bound, feeds));
    const file = timed('write compiled', () => writeCompiledFile(compiled));
    timed('read compiled', () => readCompiledFile(file));
  }
  const rewritten = timed('rewrite', () => legalize(graph, { target: 'symmetric' }));
  timed('export', () => exportOnnx(rewritten.graph));
  const text = timed('print', () => print(graph));
  timed('parse', () => parse(text));
}

function feedOf({ values }: Graph, id: Graph['inputs'][number]) {
  const { shape } = values[id].type;
  if (!isStatic(shape)) throw new Error(`%${id} has no static shape`);
  const count = shape.reduce((a, b) => a * b, 1);
  return tensor(
    'f32',
    Float32Array.from({ length: count }, (_, i) => i % 5),
    shape,
  );
}

const [shape, size] = process.argv.slice(2);
if (process.argv[1] === import.meta.filename) {
  timePhases(shape as ShapeName, Number(size), (times) => console.log(JSON.stringify(times)));
}
