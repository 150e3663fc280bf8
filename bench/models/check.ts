/**
 * Do the benchmark networks behave like trained ones? Runs them in ONNX Runtime with every quantized tensor as an
 * output, and prints its range, the distinct values and the share at either end of the range.
 *   node --import tsx bench/models/check.ts [NETWORK [FORM ZERO_POINTS ACTIVATION WEIGHTS per-channel|per-layer]]
 */
import onnxProto from 'onnx-proto';
import { createPeer } from '../../src/cli/onnxruntime.ts';
import { type NetOptions, networks, noiseImage } from './index.ts';

const { onnx } = onnxProto;

export interface TensorSpread {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly distinct: number;
  /** Shares of the elements at the lowest and the highest value of the type. */
  readonly lowest: number;
  readonly highest: number;
}

/** The same model with every output of such an operator as an output of the graph, and their names. */
function expose(model: Uint8Array, element: 'uint8' | 'int8'): { bytes: Uint8Array; names: string[] } {
  const proto = onnx.ModelProto.decode(model);
  const quantized = /^(QLinear|QGemm|QuantizeLinear)/;
  const names = proto.graph!.node!.filter((node) => quantized.test(node.opType!)).map((node) => node.output![0]!);
  for (const name of names) {
    const type = { tensorType: { elemType: element === 'uint8' ? 2 : 3 } };
    if (!proto.graph!.output!.some((output) => output.name === name)) proto.graph!.output!.push({ name, type });
  }
  return { bytes: onnx.ModelProto.encode(proto).finish(), names };
}

/** Runs a network on a noise image in ONNX Runtime; the spread of every quantized tensor, in the order of the graph. */
export async function spreads(network: keyof typeof networks, options: NetOptions): Promise<TensorSpread[]> {
  const { bytes, names } = expose(networks[network](options), options.activation);
  const peer = await createPeer(bytes, { threads: 2 });
  const outputs = await peer.run({
    input: { type: 'float32', data: noiseImage(options.seed), dims: [1, 3, 224, 224] },
  });
  await peer.dispose();
  const [low, high] = options.activation === 'uint8' ? [0, 255] : [-128, 127];
  return names.map((name) => {
    const counts = new Float64Array(256);
    const data = outputs[name]!.data as Uint8Array | Int8Array;
    for (const v of data) counts[v - low]!++;
    return {
      name,
      min: low + counts.findIndex((n) => n > 0),
      max: low + counts.findLastIndex((n) => n > 0),
      distinct: counts.filter((n) => n > 0).length,
      lowest: counts[0]! / data.length,
      highest: counts[high - low]! / data.length,
    };
  });
}

function* variants(): Generator<NetOptions> {
  for (const form of ['qlinear', 'qdq'] as const)
    for (const zeroPoints of ['nonzero', 'zero'] as const)
      for (const activation of ['uint8', 'int8'] as const)
        for (const weights of ['int8', 'uint8'] as const)
          for (const perChannel of [true, false]) yield { form, zeroPoints, activation, weights, perChannel, seed: 1 };
}

const label = (o: NetOptions) =>
  `${o.form} ${o.zeroPoints} ${o.activation} ${o.weights} ${o.perChannel ? 'per-channel' : 'per-layer'}`;
const percent = (share: number) => `${(100 * share).toFixed(1)} %`.padStart(8);

async function main(network: string | undefined, variant: string): Promise<void> {
  for (const name of Object.keys(networks) as (keyof typeof networks)[]) {
    if (network !== undefined && name !== network) continue;
    for (const options of variants()) {
      if (variant !== '' && label(options) !== variant) continue;
      try {
        const all = await spreads(name, options);
        if (variant !== '')
          for (const t of all)
            console.log(
              `${t.name.padEnd(24)} ${String(t.min).padStart(5)} ${String(t.max).padStart(5)} ${String(t.distinct).padStart(4)} distinct ${percent(t.lowest)} lowest ${percent(t.highest)} highest`,
            );
        const least = all.reduce((a, b) => (a.distinct < b.distinct ? a : b));
        const most = all.reduce((a, b) => (a.highest > b.highest ? a : b));
        console.log(
          `${name.padEnd(12)}  ${label(options).padEnd(38)}  least distinct ${String(least.distinct).padStart(3)} (${least.name})  most at the top ${percent(most.highest)} (${most.name})`,
        );
      } catch (error) {
        console.log(`${name.padEnd(12)}  ${label(options).padEnd(38)}  ${String(error)}`);
      }
    }
  }
}

if (import.meta.filename === process.argv[1]) await main(process.argv[2], process.argv.slice(3).join(' '));
