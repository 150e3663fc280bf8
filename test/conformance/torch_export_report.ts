/** Writes docs/conformance-export.md: every program of torch.export in the corpus, measured. */
import { readFileSync, writeFileSync } from 'node:fs';
import { openArchive } from '../../src/formats/torch/archive/index.ts';
import { torchOps } from '../../src/importers/torch/op_table.ts';
import { importExport } from '../../src/importers/torch/program/index.ts';
import { nodesOf } from '../../src/ir/graph.ts';
import { corpusRoot, isWhole } from '../support/corpus.ts';
import { correctOf, differenceOf, type ExportCase, exportCases, modelsOf, resultOf } from './torch_export.ts';

const fastest = async (body: () => Promise<unknown>): Promise<number> => {
  let best = Infinity;
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    await body();
    best = Math.min(best, performance.now() - start);
  }
  return best;
};

/** Overloads of the libraries that programs call. */
const understood = torchOps.filter(({ name }) => !name.startsWith('quantized::'));

async function rowOf(c: ExportCase): Promise<string> {
  const bytes = new Uint8Array(readFileSync(c.file));
  const time = await fastest(async () => importExport(await openArchive(bytes, c.file)));
  const { quantized, program, integers, compiled } = await modelsOf(c);
  const [asImported, inIntegers] = [await resultOf(c, program), await resultOf(c, integers)];
  const onAddon = await resultOf(c, compiled);
  const [exact, grouped] = [differenceOf(c, asImported), differenceOf(c, inIntegers)];
  const same = onAddon.every((value, i) => value === inIntegers[i]) ? 'equal' : 'within 1e-4';
  const count = (pattern: RegExp) => nodesOf(quantized).filter(({ op }) => pattern.test(op)).length;
  const cells = [
    c.id.replace('.pt2', ''),
    `${count(/^qnn\.(conv|matmul)$/)} of ${count(/^(qnn|nn)\.(conv|matmul)$/)}`,
    `${exact.differing} (${exact.steps.toFixed(1)})`,
    `${grouped.differing} (${grouped.steps.toFixed(1)})`,
    same,
    exact.otherClass + grouped.otherClass,
    `${await correctOf(c, compiled)} / ${c.correct}`,
    time.toFixed(0),
  ];
  return `| ${cells.join(' | ')} |`;
}

const root = corpusRoot();
if (!isWhole) throw new Error('the tables are made of the whole corpus, which does not lie beside the repository');
const cases = exportCases(root);
const table: string[] = [];
for (const c of cases) table.push(await rowOf(c));
const outputs = cases[0].expected.data.length;

writeFileSync(
  'docs/conformance-export.md',
  `# Programs of torch.export (.pt2)

Written by \`npx tsx test/conformance/torch_export_report.ts\`; test/conformance/torch_export.test.ts checks its figures.

PyTorch computes these programs in float: every convolution between a dequantize and a quantize. This page compares three
computations of unskew with its outputs, ${outputs} for each program (64 images; ${cases[0].labels.length} for the accuracy):

* **program**: the imported graph, by the interpreter. It differs from PyTorch in the order of float sums alone: a value
  near a tie between two integers may move by one step, and the values behind it move too.
* **integers**: after grouping. Biases are rounded to integers, pools and sums computed in integers.
* **oneDNN**: the compiled model, compared with **integers**.

A cell gives the number of outputs further than 1e-4 from PyTorch's and, in parentheses, the greatest difference in steps of the
result (of its quantization or, where a program ends in floats, 1/255 of its range).

| program | products in integers | program | integers | oneDNN | other class | correct here / PyTorch | import, ms |
| --- | --- | --- | --- | --- | --- | --- | --- |
${table.join('\n')}

Programs with dynamic quantization (\`_dyn\`) choose scales while they run, from all images of a call; PyTorch's outputs
come from calls of 60 images. Their products stay in float.

${understood.length} operators are understood: ${[...new Set(understood.map(({ name }) => name.split('::')[0]))].join(', ')}. Any other becomes
an opaque operator, which \`unskew inspect\` names.
`,
);
