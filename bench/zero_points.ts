/**
 * The cost of zero points in a whole network: every zero point non-zero against every zero point 0, in turns, whole and
 * per layer (least time of the node inside the network): `node --import tsx bench/zero_points.ts [--rounds=N]
 * [--threads=1,2]`.
 */
import { importOnnx } from '../src/importers/onnx/import.ts';
import { compileGraph, Model } from '../src/runtime/compile.ts';
import { formatTable } from './measure.ts';
import { networks, noiseImage } from './models/index.ts';

const argument = (name: string): string | undefined =>
  process.argv.find((given) => given.startsWith(`--${name}=`))?.slice(name.length + 3);
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

for (const [network, build] of Object.entries(networks))
  for (const threads of threadCounts) {
    const compiled = (['zero', 'nonzero'] as const).map((zeroPoints) => {
      const bytes = build({
        form: 'qlinear',
        zeroPoints,
        activation: 'uint8',
        weights: 'int8',
        perChannel: true,
        seed: 1,
      });
      return compileGraph(importOnnx(bytes, { file: network }), { threads });
    });
    const [symmetric, asymmetric] = compiled.map((): Least => ({ whole: Number.POSITIVE_INFINITY, nodes: new Map() }));
    // Times depend on the addresses of buffers by up to a tenth of a layer, so models are loaded anew now and then.
    for (let first = 0; first < rounds; first += ROUNDS_OF_A_MODEL) {
      const models = compiled.map((model) => new Model(model, { threads }));
      for (let round = first; round < Math.min(first + ROUNDS_OF_A_MODEL, rounds); round++) {
        const order = round % 2 === 0 ? [0, 1] : [1, 0];
        for (const i of order) turn(models[i]!, i === 0 ? symmetric! : asymmetric!);
      }
      for (const model of models) model.dispose();
    }
    const layers = compiled[1]!.strategies.map(({ node, layer, chosen }) => {
      const [base, took] = [symmetric!, asymmetric!].map(({ nodes }) => nodes.get(layer) ?? nodes.get(node) ?? 0);
      return { layer, chosen, base: base!, ratio: took! / base! };
    });
    const ratio = asymmetric!.whole / symmetric!.whole;
    const above = layers.filter((layer) => layer.ratio > 1.1).sort((a, b) => b.ratio - a.ratio);
    console.log(
      `${network}, ${threads} thread${threads === 1 ? '' : 's'}: ${(asymmetric!.whole / 1000).toFixed(2)} ms against ${(symmetric!.whole / 1000).toFixed(2)} ms without zero points: ${ratio.toFixed(3)}; ${above.length} of ${layers.length} layers above 1.10`,
    );
    if (above.length > 0)
      console.log(
        `${formatTable(
          ['layer', 'way', 'without us', 'cost'],
          above.map((l) => [l.layer, l.chosen, l.base.toFixed(1), l.ratio.toFixed(2)]),
        )}\n`,
      );
  }
