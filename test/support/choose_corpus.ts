/**
 * Makes `test/corpus` of the shared corpus: small entries of every suite, with the files that they need. Run it after the shared one changes:
 *
 *   node --import tsx test/support/choose_corpus.ts
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type CorpusEntry, miniCorpus, sharedCorpus } from './corpus.ts';

/** Bytes of a folder with one case of an operator, of a file of vectors, of a model that is in other ways than its like. */
const LARGEST_CASE = 3_000;
const LARGEST_VECTORS = 24_000;
const LARGEST_MODEL = 12_000;

const sizeOf = (path: string): number =>
  statSync(path).isDirectory()
    ? readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0)
    : statSync(path).size;

const entries: CorpusEntry[] = JSON.parse(readFileSync(join(sharedCorpus, 'index.json'), 'utf8')).entries;
const chosen: CorpusEntry[] = [];
const needed = new Set<string>();

function take(entry: CorpusEntry): void {
  chosen.push(entry);
  if (!entry.path.endsWith('.jsonl') && entry.kind !== 'net-data') needed.add(entry.path);
  const { inputs, expected = {} } = entry as { inputs?: string; expected?: Record<string, string> };
  for (const path of [...(inputs ? [inputs] : []), ...Object.values(expected)]) needed.add(path);
}

/** The first of each key that is small enough. */
function takeOneOfEach(
  kind: string,
  keyOf: (entry: CorpusEntry) => string,
  largest: number,
  isWanted: (entry: CorpusEntry) => boolean = () => true,
): void {
  const seen = new Set<string>();
  const sized = entries
    .filter((entry) => entry.kind === kind && isWanted(entry) && !chosen.includes(entry))
    .map((entry) => ({ entry, size: sizeOf(join(sharedCorpus, entry.path)) }))
    .sort((a, b) => a.size - b.size);
  for (const { entry, size } of sized) {
    if (size > largest || seen.has(keyOf(entry))) continue;
    seen.add(keyOf(entry));
    take(entry);
  }
}

/** Takes old versions too of operators that quantized layers are made of; of all others one case. */
const versioned = /Conv|MatMul|Gemm|Quantize|Pool|Clip|Softmax|Resize/;
const keyOfCase = ({ path, op }: CorpusEntry) =>
  versioned.test(`${op}`) ? `${path.split('/')[1]} ${op}` : `${op ?? path}`;
takeOneOfEach('onnx-node', keyOfCase, LARGEST_CASE);
takeOneOfEach('ort-model', ({ path }) => path, LARGEST_MODEL);
for (const kind of ['onnx', 'onnx-float', 'torchscript', 'torch-export'])
  for (const entry of entries.filter((e) => e.kind === kind && e.net === 'mlp_a')) take(entry);
/** Files that tests name. */
const named = [
  'onnx-node/node-1.22.0/test_convinteger_without_padding',
  'nets/digits_a/onnx-ortquant/digits_a-qdq-u8s8-pc.onnx',
  'nets/digits_a/onnx-ortquant/digits_a-qop-u8s8-pc.onnx',
  'nets/digits_a/torchscript/digits_a-eager-qnnpack-pta-hist-script-torch2.6.0.pt',
];
for (const entry of entries.filter(({ path }) => named.includes(path))) if (!chosen.includes(entry)) take(entry);
const isChosen = ({ net }: CorpusEntry) => net === 'mlp_a' || net === 'digits_a';
takeOneOfEach('onnx', ({ net, path }) => `${net} ${/-(qop|dyn|qdq)-/.exec(path)?.[1]}`, 60_000, isChosen);
takeOneOfEach('torchscript', ({ net, how }) => `${net} ${how}`, 50_000, isChosen);
for (const entry of entries.filter((e) => e.kind === 'net-data' && isChosen(e))) {
  chosen.push(entry);
  for (const name of readdirSync(join(sharedCorpus, entry.path)))
    if (name.endsWith('.npy')) needed.add(`${entry.path}/${name}`);
}

/** Some lines of a file of vectors, in their order: short ones, of each operator and engine, with a bias and without. */
function lines(path: string, largest: number): string {
  const all = readFileSync(join(sharedCorpus, path), 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  const seen = new Map<string, number>();
  const kept = new Set<string>();
  let size = 0;
  for (const line of [...all].sort((a, b) => a.length - b.length)) {
    const { op, engine, inputs } = JSON.parse(line) as { op: string; engine?: string; inputs: { bias?: unknown } };
    const key = `${op} ${engine} ${Boolean(inputs.bias)}`;
    const count = (seen.get(key) ?? 0) + 1;
    if (count > 1 && (count > 12 || size + line.length > largest)) continue;
    seen.set(key, count);
    kept.add(line);
    size += line.length;
  }
  return all
    .filter((line) => kept.has(line))
    .map((line) => `${line}\n`)
    .join('');
}

for (const name of existsSync(miniCorpus) ? readdirSync(miniCorpus) : [])
  if (name !== 'README.md') rmSync(join(miniCorpus, name), { recursive: true });
for (const path of needed) {
  mkdirSync(dirname(join(miniCorpus, path)), { recursive: true });
  cpSync(join(sharedCorpus, path), join(miniCorpus, path), { recursive: true });
}
for (const entry of entries.filter(({ kind }) => kind === 'ort-vectors' || kind === 'torch-vectors')) {
  mkdirSync(dirname(join(miniCorpus, entry.path)), { recursive: true });
  writeFileSync(
    join(miniCorpus, entry.path),
    lines(entry.path, entry.kind === 'torch-vectors' ? 150_000 : LARGEST_VECTORS),
  );
  chosen.push(entry);
}
const kept = new Set(chosen.map(({ path }) => path));
const index = entries.filter(({ path }) => kept.has(path));
writeFileSync(join(miniCorpus, 'index.json'), `${JSON.stringify({ entries: index }, undefined, 1)}\n`);
console.log(`${index.length} of ${entries.length} entries, ${Math.round(sizeOf(miniCorpus) / 1024)} KB`);
