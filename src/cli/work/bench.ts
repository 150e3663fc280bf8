import { availableParallelism } from 'node:os';
import type { NodeTime } from '../../codegen/index.ts';
import { backendNames, backends, usualBackend } from '../../runtime/index.ts';
import { workOf } from '../command.ts';
import type { bench } from '../commands/bench.ts';
import { modelOf, noteFallbacks } from '../compiling.ts';
import { publicFeeds } from '../inputs.ts';
import { type Contender, compare, measure, type Ratio, scheduleFor, type Timing } from '../measure.ts';
import { createPeer } from '../onnxruntime.ts';
import { onnxModelOf } from '../sides.ts';
import { openWithFeeds } from '../sized.ts';
import { formatTable, named, right } from '../table.ts';
import { UsageError } from '../usage_error.ts';

export const work = workOf<typeof bench>()({
  async run(values, terminal) {
    const { source, graph, feeds: tensors } = await openWithFeeds(values.model, { ...values, random: 1 }, terminal);
    if (values.perNode && !backends[values.backend?.[0] ?? usualBackend].keepsTimes) {
      const able = backendNames.filter((name) => backends[name].keepsTimes).join(' or ');
      throw new UsageError(`--per-node needs the ${able} backend`, 'the interpreter keeps no times per node');
    }
    const start = performance.now();
    const model = modelOf(source, values, graph, terminal);
    try {
      const feeds = publicFeeds(tensors);
      await model.run(feeds);
      const firstRun = performance.now() - start;
      noteFallbacks(model, values.model, terminal);
      const contenders: Contender[] = [{ name: 'unskew', run: () => model.run(feeds) }];
      const peer =
        values.vs &&
        (await createPeer(onnxModelOf(source), values.threads === undefined ? {} : { threads: values.threads }));
      if (peer) contenders.push({ name: 'onnxruntime', run: () => peer.run(feeds) });
      terminal.progress('measuring');
      const timings = await measure(contenders, await scheduleFor(contenders));
      await peer?.dispose();
      const nodes = values.perNode ? byTime(model.profile(feeds)) : undefined;
      return {
        file: values.model,
        backend: model.backend,
        threads: values.threads ?? availableParallelism(),
        compileAndFirstRun: firstRun,
        timings,
        ...(timings[1] && { ratio: compare(timings[0], timings[1]) }),
        ...(nodes && { nodes }),
      };
    } finally {
      model.dispose();
    }
  },
  format(r) {
    const sections = [
      timingTable(r.timings),
      `compiling and the first run took ${r.compileAndFirstRun.toFixed(0)} ms`,
      ...(r.ratio ? [ratioText(r.ratio, r.timings)] : []),
      ...(r.nodes ? [nodeTable(r.nodes)] : []),
    ];
    return sections.join('\n\n');
  },
});

const byTime = (times: readonly NodeTime[]): NodeTime[] => [...times].sort((a, b) => b.microseconds - a.microseconds);

const timingTable = (timings: readonly Timing[]): string =>
  formatTable(
    ['engine', right('runs'), right('min ms'), right('median ms'), right('p99 ms')],
    timings.map((t) => [t.name, t.runs, ...[t.minimum, t.median, t.p99].map((ms) => ms.toFixed(3))]),
  );

const ratioText = ({ ratio, low, high }: Ratio, [base, other]: readonly Timing[]): string =>
  `${other.name} takes ${ratio.toFixed(2)} times as long as ${base.name} (${low.toFixed(2)} to ${high.toFixed(2)})`;

function nodeTable(nodes: readonly NodeTime[]): string {
  const total = nodes.reduce((sum, { microseconds }) => sum + microseconds, 0);
  const table = formatTable(
    [named('node'), 'operator', right('µs'), right('share')],
    nodes.map(({ node, op, microseconds: us }) => [node, op, us.toFixed(1), `${((100 * us) / total).toFixed(1)} %`]),
  );
  return `${table}\ntotal ${(total / 1000).toFixed(3)} ms`;
}
