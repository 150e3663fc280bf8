/**
 * ONNX Runtime alone on the benchmark networks: the times to compare with, on this machine.
 *   node --import tsx bench/peers/baseline.ts [--json]
 */
import { formatTable, measure, type Timing, usualSchedule } from '../measure.ts';
import { type NetOptions, networks, noiseImage } from '../models/index.ts';
import { createPeer } from './onnxruntime.ts';

const VARIANTS: readonly Omit<NetOptions, 'perChannel' | 'seed'>[] = [
  { form: 'qlinear', zeroPoints: 'nonzero', activation: 'uint8', weights: 'int8' },
  { form: 'qdq', zeroPoints: 'nonzero', activation: 'uint8', weights: 'int8' },
  { form: 'qlinear', zeroPoints: 'zero', activation: 'uint8', weights: 'int8' },
  { form: 'qlinear', zeroPoints: 'nonzero', activation: 'uint8', weights: 'uint8' },
  { form: 'qdq', zeroPoints: 'nonzero', activation: 'int8', weights: 'int8' },
];

interface Row extends Omit<NetOptions, 'perChannel' | 'seed'> {
  readonly network: string;
  readonly threads: number;
  readonly timing: Timing;
}

async function baseline(): Promise<Row[]> {
  const feeds = { input: { type: 'float32', data: noiseImage(1), dims: [1, 3, 224, 224] } };
  const rows: Row[] = [];
  for (const [network, build] of Object.entries(networks))
    for (const variant of VARIANTS) {
      const model = build({ ...variant, perChannel: true, seed: 1 });
      const peers = await Promise.all([1, 2].map((threads) => createPeer(model, { threads })));
      const contenders = peers.map((peer, index) => ({ name: `${index + 1}`, run: () => peer.run(feeds) }));
      const timings = await measure(contenders, usualSchedule);
      for (const timing of timings) rows.push({ network, ...variant, threads: Number(timing.name), timing });
      await Promise.all(peers.map((peer) => peer.dispose()));
    }
  return rows;
}

const rows = await baseline();
if (process.argv.includes('--json')) console.log(JSON.stringify(rows, undefined, 2));
else {
  const header = [
    'network',
    'form',
    'zero points',
    'activation',
    'weights',
    'threads',
    'min ms',
    'median ms',
    'p99 ms',
  ];
  const cells = rows.map(({ network, timing, ...r }) => [
    ...[network, r.form, r.zeroPoints, r.activation, r.weights, String(r.threads)],
    ...[timing.minimum, timing.median, timing.p99].map((time) => time.toFixed(2)),
  ]);
  console.log(formatTable(header, cells));
}
