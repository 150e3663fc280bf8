/**
 * The cost of zero points in a whole network: zero points of the source, and of the source and the weights (u8), against every zero point 0,
 * in turns, whole and per layer (least time of the node inside the network):
 *
 *   npm run bench:zero_points [-- --rounds=N --threads=1,2 --json=FILE]
 */
import { importOnnx } from '../src/importers/onnx/import.ts';
import { compileGraph } from '../src/runtime/compile_graph.ts';
import { Model } from '../src/runtime/model.ts';
import { argument } from './argument.ts';
import { formatTable } from './measure.ts';
import { type NetOptions, networks, noiseImage } from './models/index.ts';
import { addToFile, commandOf, type ZeroPointsRow } from './zoo/result.ts';

const ROUNDS_OF_A_MODEL = 10;
const rounds = Number(argument('rounds') ?? 60);
const threadCounts = (argument('threads') ?? '1,2').split(',').map(Number);
const feeds = { input: { type: 'float32', data: noiseImage(7), dims: [1, 3, 224, 224] } };

/** Least times in µs: of the whole network, and of its nodes by name. */
interface Least {
  whole: number;
  readonly nodes: Map<string, number>;
}

function turn(model: Model, least: Least): void {
  model.runSync(feeds);
  for (let i = 0; i < 3; i++) {
    const start = performance.now();
    model.runSync(feeds);
    least.whole = Math.min(least.whole, (performance.now() - start) * 1000);
  }
  for (const { node, microseconds } of model.profile(feeds))
    least.nodes.set(node, Math.min(least.nodes.get(node) ?? Number.POSITIVE_INFINITY, microseconds));
}

const symmetric = {
  form: 'qlinear',
  zeroPoints: 'zero',
  activation: 'uint8',
  weights: 'int8',
  perChannel: true,
  seed: 1,
} as const satisfies NetOptions;
const variants: readonly (readonly [zeroPoints: string, options: NetOptions])[] = [
  ['source', { ...symmetric, zeroPoints: 'nonzero' }],
  ['source and weights', { ...symmetric, zeroPoints: 'nonzero', weights: 'uint8' }],
];

const rows: ZeroPointsRow[] = [];
for (const [network, build] of Object.entries(networks))
  for (const threads of threadCounts) {
    const compiled = [symmetric, ...variants.map(([, options]) => options)].map((options) =>
      compileGraph(importOnnx(build(options), { file: network }), { threads }),
    );
    const least = compiled.map((): Least => ({ whole: Number.POSITIVE_INFINITY, nodes: new Map() }));
    // Times depend on the addresses of buffers by up to a tenth of a layer, so models are loaded anew now and then.
    for (let first = 0; first < rounds; first += ROUNDS_OF_A_MODEL) {
      const models = compiled.map((model) => new Model(model, { threads }));
      for (let round = first; round < Math.min(first + ROUNDS_OF_A_MODEL, rounds); round++) {
        const order = [...models.keys()];
        for (const i of round % 2 === 0 ? order : order.toReversed()) turn(models[i]!, least[i]!);
      }
      for (const model of models) model.dispose();
    }
    const [base] = least;
    for (const [i, [zeroPoints]] of variants.entries()) {
      const { whole, nodes } = least[i + 1]!;
      const layers = compiled[i + 1]!.strategies.map(({ node, layer, chosen }) => {
        const [without, took] = [base!.nodes, nodes].map((times) => times.get(layer) ?? times.get(node) ?? 0);
        return { layer, chosen, base: without!, ratio: took! / without! };
      });
      const above = layers.filter((layer) => layer.ratio > 1.1).sort((a, b) => b.ratio - a.ratio);
      const [ms, symmetricMs] = [whole / 1000, base!.whole / 1000];
      rows.push({ network, zeroPoints, threads, ms, symmetricMs });
      console.log(
        `${network}, ${threads} thread${threads === 1 ? '' : 's'}, zero points of ${zeroPoints}: ${ms.toFixed(2)} ms against ${symmetricMs.toFixed(2)} ms without: ${(ms / symmetricMs).toFixed(3)}; ${above.length} of ${layers.length} layers above 1.10`,
      );
      if (above.length > 0)
        console.log(
          `${formatTable(
            ['layer', 'way', 'without us', 'cost'],
            above.map((l) => [l.layer, l.chosen, l.base.toFixed(1), l.ratio.toFixed(2)]),
          )}\n`,
        );
    }
  }
const file = argument('json');
if (file !== undefined) addToFile(file, { zeroPoints: rows }, commandOf('bench:zero_points', process.argv.slice(2)));
