/** docs/performance.md: the figures of docs/performance.json, to which runs of the benchmark add with `--json=docs/performance.json`. */
import { readFileSync } from 'node:fs';
import { quantile } from '../../bench/measure.ts';
import { type Engine, engines, homes, peers } from '../../bench/zoo/engines.ts';
import { differing } from '../../bench/zoo/report.ts';
import type { EngineFigures, Ratio, Row, SentencesRow, ZooResult } from '../../bench/zoo/result.ts';

const stored = (): ZooResult =>
  JSON.parse(readFileSync(new URL('../../docs/performance.json', import.meta.url), 'utf8'));

type AnyRow = Row | SentencesRow;

const number = (value: number | undefined, digits: number): string =>
  value === undefined ? '–' : value.toFixed(digits);
const percent = (share: number | undefined): string => (share === undefined ? '–' : `${(100 * share).toFixed(0)} %`);
const spread = ([low, middle, high]: Ratio): string =>
  `**${middle.toFixed(2)}** (${low.toFixed(2)}–${high.toFixed(2)})`;
const over = (a: number | undefined, b: number | undefined): string =>
  a === undefined || b === undefined ? '–' : (a / b).toFixed(1);
const countOf = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

function table(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(header), `|${header.map(() => '---|').join('')}`, ...rows.map(line)].join('\n');
}

const peersIn = (rows: readonly AnyRow[]): readonly Engine[] =>
  peers.filter((name) => rows.some((row) => row.engines[name] !== undefined));

const named = ({ model, sizes = {}, isa }: AnyRow): string =>
  [`\`${model}\``, ...Object.entries(sizes).map(([name, size]) => `${name} ${size}`), ...(isa ? [isa] : [])].join(', ');

function rowsTable(rows: readonly Row[]): string {
  const others = peersIn(rows);
  const hasSync = rows.some(({ engines }) => engines['unskew-sync']);
  const header = [
    ...[
      'network',
      'threads',
      'ms',
      ...(hasSync ? ['runSync, ms'] : []),
      ...others.map((name) => `${engines[name].label} / ours`),
      'cold',
      'peak',
    ],
    ...['VNNI', 'interpreted', 'differ', 'from the interpreter'],
  ];
  const cells = rows.map((row) => {
    const { unskew, 'unskew-sync': sync } = row.engines;
    const home: EngineFigures | undefined = row.engines[homes[row.kind]];
    const ratios = others.map((name) => {
      const figures = row.engines[name];
      return unskew && figures ? spread(figures.ratio) : '–';
    });
    return [
      ...[named(row), row.threads, number(unskew?.ms, 2), ...(hasSync ? [number(sync?.ms, 2)] : []), ...ratios],
      ...[over(unskew?.coldMs, home?.coldMs), over(unskew?.peakKiB, home?.peakKiB), percent(row.peakShare)],
      ...[unskew ? (row.interpreted ?? '–') : '–', differing(row.difference), differing(row.exact)],
    ];
  });
  return table(header, cells);
}

/** The quantization of a model of the zoo, whose name is ARCHITECTURE/QUANTIZATION. */
const quantizationOf = ({ model }: Row): string => model.split('/')[1] ?? '';

function summary(rows: readonly Row[]): string {
  const others = peersIn(rows);
  const groups = new Map<string, Row[]>();
  for (const row of rows.filter(({ engines }) => engines.unskew)) {
    const key = `${quantizationOf(row)} | ${row.threads}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  const header = [
    ...['quantization', 'threads', 'networks'],
    ...others.flatMap((name) => [`${engines[name].label} / ours`, 'at least 1']),
  ];
  const cells = [...groups]
    .sort(([a], [b]) => a.localeCompare(b, 'en'))
    .map(([key, members]) => [
      ...[key, members.length],
      ...others.flatMap((name) => {
        const ratios = members.flatMap((row) => row.engines[name]?.ratio[1] ?? []);
        if (ratios.length === 0) return ['–', '–'];
        const reached = ratios.filter((ratio) => ratio >= 1).length;
        return [
          spread([Math.min(...ratios), quantile(ratios, 0.5), Math.max(...ratios)]),
          `${reached} of ${ratios.length}`,
        ];
      }),
    ]);
  return table(header, cells);
}

function sentencesTable(rows: readonly SentencesRow[]): string {
  const header = [
    ...['network', 'threads', 'engine', 'all, ms', 'against ours', 'first pass, ms', 'new length, ms'],
    ...['cold, ms', 'peak, MiB', 'differ', 'from the interpreter'],
  ];
  const cells = rows.flatMap((row) =>
    Object.entries(row.engines).map(([name, figures]) => {
      const isOurs = name === 'unskew';
      return [
        ...[named(row), row.threads, engines[name as Engine].label, number(figures.ms, 0)],
        ...[isOurs || row.engines.unskew === undefined ? '' : spread(figures.ratio), number(figures.firstMs, 0)],
        ...[number(figures.newLengthMs, 2), number(figures.coldMs, 0), number(figures.peakKiB / 1024, 0)],
        ...(isOurs ? [differing(row.difference), differing(row.exact)] : ['', '']),
      ];
    }),
  );
  return table(header, cells);
}

/** What keeps models out, once each. */
function refusals({ rows, sentences, unread }: ZooResult): readonly string[] {
  const lines = [...rows, ...sentences].flatMap(({ model, refused, exact }) => [
    ...Object.entries(refused).map(
      ([name, why]) => `\`${model}\`: ${engines[name as Engine].label} refuses it: ${why}`,
    ),
    ...(typeof exact === 'string' ? [`\`${model}\`: not compared with the interpreter: ${exact}`] : []),
  ]);
  const unreadLines = Object.entries(unread).map(([model, why]) => `\`${model}\` is not read: ${why}`);
  return [...new Set([...lines, ...unreadLines])].map((line) => `* ${line}`);
}

/** A section, if it has anything to say. */
const section = (title: string, about: string, members: readonly unknown[], body: () => string): string =>
  members.length === 0 ? '' : `\n## ${title}\n\n${about}\n\n${body()}\n`;

function versions(rows: readonly AnyRow[]): string {
  const parts = peersIn(rows).map((name) => {
    const version = rows.find((row) => row.engines[name])?.engines[name]?.version ?? '';
    return `${engines[name].label} ${/^[\d.]*\d/.exec(version)?.[0] ?? version}`;
  });
  return parts.join(', ');
}

function totals(rows: readonly Row[]): string {
  const timed = rows.filter(({ engines }) => engines.unskew);
  const lines = peersIn(timed).map((name) => {
    const ratios = timed.flatMap((row) => row.engines[name]?.ratio[1] ?? []);
    const reached = ratios.filter((ratio) => ratio >= 1).length;
    return `* ${engines[name].label}: at least as fast on ${reached} of ${ratios.length} rows, the median ratio is ${quantile(ratios, 0.5).toFixed(2)}.`;
  });
  const compared = timed.flatMap(({ exact }) => (typeof exact === 'object' ? [exact] : []));
  const equal = compared.filter(({ integers, floatBits }) => integers + floatBits === 0).length;
  if (compared.length > 0)
    lines.push(
      `* The interpreter: every bit of the outputs is equal on ${equal} of ${countOf(compared.length, 'row')}.`,
    );
  return lines.join('\n');
}

export function performancePage(result: ZooResult = stored()): string {
  const {
    machine,
    date,
    runs,
    rows,
    sentences,
    zeroPoints,
    blocks = [],
    parts = [],
    words = [],
    processes = [],
    starts = [],
  } = result;
  const run = rows.filter(({ refused }) => refused.unskew === undefined);
  const usual = run.filter(({ isa }) => isa === undefined);
  const zoo = usual.filter(({ model, sizes }) => model.includes('/') && sizes === undefined);
  const ofTorch = usual.filter(({ kind }) => kind === 'torch');
  const others = usual.filter((row) => !zoo.includes(row) && !ofTorch.includes(row));
  const [batches, files] = [true, false].map((isSized) =>
    others.filter(({ sizes }) => (sizes !== undefined) === isSized),
  );
  const limited = run.filter(({ isa }) => isa !== undefined);
  const refused = refusals(result);
  return `# How fast networks run

Made from docs/performance.json by \`npm run docs\`; do not edit. ${machine}; ${date}; ${versions([...rows, ...sentences])}.
Each engine has a process of its own, and they take turns. The commands were, with \`--json=docs/performance.json\`:

\`\`\`
${runs.map((run) => `npm run ${run.replace(' ', ' -- ')}`).join('\n')}
\`\`\`

* A ratio is the time of the other engine divided by ours: above 1 unskew is faster. In brackets the 10th and 90th percentile over rounds.
* cold: from the start of the process to the end of the first run; peak: resident memory. Both are ours divided by those of the engine that the
  file is made for (ONNX Runtime, LiteRT, PyTorch): below 1 is better.
* VNNI: multiply-adds of products per second, divided by the peak of vpdpbusd on as many cores, which a loop on registers measures beside the
  network; of networks whose multiply-adds are mostly those of convolutions. AMX can be above 100 %.
* interpreted: nodes that run on the interpreter. differ: elements of the outputs that are not equal bit for bit to those of the engine that the file is
  made for, and the largest difference over the largest float; dynamic quantization turns last bits of floats into whole steps. The last column is the same
  against the interpreter, which is the meaning.

${totals(usual)}
${section(
  'The zoo',
  `Architectures with random weights, as PyTorch's exporters and ONNX Runtime's quantizers write them; batch 1. \`qdq\`: static, quantize and
dequantize around float operators; \`qop\`: static, quantized operators; \`u8s8\`: activations u8, weights s8; \`channel\`: weights by channel;
\`asymmetric\`: weights with zero points; \`dynamic\`: quantize_dynamic. In brackets the least and the largest ratio.`,
  zoo,
  () => `${summary(zoo)}\n\n${rowsTable(zoo)}`,
)}${section('Other sizes', 'Networks of the zoo at the sizes that are named.', batches, () => rowsTable(batches))}${section('Real files', 'Public files, with their own weights.', files, () => rowsTable(files))}${section(
  'Archives of PyTorch',
  'TorchScript as torch.jit.load runs it; programs of torch.export (`.pt2`) after torch.compile, whose compilation is part of cold.',
  ofTorch,
  () => rowsTable(ofTorch),
)}${section(
  'Sentences of random lengths',
  sentences.map(
    ({ sentences, lengths }) =>
      `${sentences} sentences of ${lengths.join(' to ')} tokens in random order, one at a time.`,
  )[0] +
    ` all: the time of them all, median over passes after the first. first pass: most
lengths are new. new length: what a sentence takes more than at once again, where its length comes for the first time; median over lengths. unskew keeps
what it made for 8 lengths, and for more while that takes 64 MiB at most; later passes meet the others anew.`,
  sentences,
  () => sentencesTable(sentences),
)}${section(
  'Other instruction sets',
  'unskew limited to AVX2, and to AVX-512 without VNNI; the other engine uses all instructions of the processor.',
  limited,
  () => rowsTable(limited),
)}${section(
  'The cost of zero points',
  'The whole network with zero points, of the source alone or of weights too (u8), against the network with every zero point 0: least times.',
  zeroPoints,
  () =>
    table(
      ['network', 'zero points of', 'threads', 'ms', 'without, ms', 'with / without'],
      zeroPoints.map(({ network, zeroPoints, threads, ms, symmetricMs }) => [
        ...[
          network,
          zeroPoints,
          threads,
          ms.toFixed(2),
          symmetricMs.toFixed(2),
          `**${(ms / symmetricMs).toFixed(3)}**`,
        ],
      ]),
    ),
)}${section(
  'Weights in blocks',
  `Two layers of a decoder of width 2048 (products and what lies between them, without attention) with weights of 4 bits: one row, as in decoding, and 128.
\`s8\`: accuracy_level 4, which permits rows of int8. Both engines take turns in one process; peak is of processes with one engine alone.`,
  blocks,
  () =>
    table(
      [
        'block',
        'zero points',
        'activations',
        'rows',
        'threads',
        'ms',
        'ONNX Runtime / ours',
        'peak, MiB',
        'of ONNX Runtime',
      ],
      blocks.map(({ block, hasZeros, activations, rows, threads, ms, ratio, peakKiB }) => [
        ...[block, hasZeros ? 'yes' : 'no', activations, rows, threads, ms.toFixed(2), spread(ratio)],
        ...peakKiB.map((peak) => (peak / 1024).toFixed(0)),
      ]),
    ),
)}${section(
  'Parts in ONNX Runtime',
  `Models with \`backends: ['onednn', 'onnxruntime']\`: nodes that run natively, in ONNX Runtime (with the operators of most of them) and on the interpreter; parts that ONNX
Runtime computes; what the border of a part costs besides the time inside; whole runs of both, in turns. Least times. Outputs: equal, or the largest difference over the largest element.`,
  parts,
  () =>
    table(
      [
        ...['model', 'threads', 'native', 'in ONNX Runtime', 'interpreted', 'parts', 'border, µs', 'inside, ms'],
        ...['ms', 'ONNX Runtime alone, ms', 'outputs'],
      ],
      parts.map((row) => [
        ...[row.model, row.threads, row.native, `${row.handedOver}: ${row.operators}`, row.interpreted, row.parts],
        ...[row.borderMicroseconds.toFixed(0), row.insideMs.toFixed(2), row.ms.toFixed(2), row.runtimeMs.toFixed(2)],
        row.outputs,
      ]),
    ),
)}${section(
  'Word after word',
  `Language models with random weights, as optimum exports and transformers.js quantizes them: a prompt of some words, then one word at a time, each with a past that is longer by one. Median of the
words, the slowest one (where plans of other lengths are found), the prompt, which is the first run; both engines by turns on the same words. Differ: of logits, over the largest of them.`,
  words,
  () =>
    table(
      [
        ...['model', 'threads', 'word, ms', 'ONNX Runtime / ours', 'slowest, ms', 'of ONNX Runtime', 'prompt, ms'],
        ...['of ONNX Runtime', 'differ'],
      ],
      words.map(({ model, threads, wordMs, slowestMs, promptMs, difference }) => [
        ...[`\`${model}\``, threads, wordMs[0].toFixed(2), `**${(wordMs[1] / wordMs[0]).toFixed(2)}**`],
        ...[...slowestMs, ...promptMs].map((ms) => ms.toFixed(1)),
        difference.toExponential(1),
      ]),
    ),
)}${section(
  'Start',
  'Whole processes in turns, over Node.js alone; and processes from their start to the first output of a network, on one thread: the time, the longest time for\nwhich a timer of 10 ms waits meanwhile, and the peak of resident memory.',
  [...processes, ...starts],
  () =>
    [
      table(
        ['process', 'least, ms', 'over Node.js', 'median, ms', 'over Node.js'],
        processes.map(({ process, ...row }) => [
          `\`${process}\``,
          ...[row.leastMs, row.leastOverMs, row.medianMs, row.medianOverMs].map((ms) => ms.toFixed(0)),
        ]),
      ),
      table(
        ['network', 'engine', 'least, ms', 'median, ms', 'a timer waits, ms', 'peak, MiB'],
        starts.map(({ network, engine, ...row }) => [
          `\`${network}\``,
          engine,
          ...[row.leastMs, row.medianMs, row.timerMs, row.peakKiB / 1024].map((value) => value.toFixed(0)),
        ]),
      ),
    ].join('\n\n'),
)}${section('Refused', 'What an engine does not run, and why.', refused, () => refused.join('\n'))}`;
}
