/** Runs the corpus on the interpreter; writes docs/conformance.md and the record of passing cases. */
import { writeFileSync } from 'node:fs';
import { corpusRoot, isWhole } from '../support/corpus.ts';
import { accuracies } from './accuracy.ts';
import { compareLayers, compareLogits, mobilenet } from './mobilenet.ts';
import { passingText, report, runAll } from './results.ts';
import { interpreter } from './run_case.ts';

const started = performance.now();
const results = await runAll(interpreter);
const root = corpusRoot();
if (!isWhole) throw new Error('the tables are made of the whole corpus, which does not lie beside the repository');
const graph = mobilenet(root);
const findings = {
  accuracies: await accuracies(root, interpreter),
  results,
  layers: compareLayers(root, graph),
  distances: await compareLogits(root, graph, interpreter),
};
writeFileSync(new URL('../../docs/conformance.md', import.meta.url), report(findings, 'interpreter'));
writeFileSync(new URL('passing.txt', import.meta.url), passingText(results));
for (const { case: c, outcome } of results) if (outcome.status === 'fails') console.log(`${c.id}: ${outcome.reason}`);
const count = (status: string) => results.filter(({ outcome }) => outcome.status === status).length;
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(`${count('pass')} pass, ${count('unsupported')} unsupported, ${count('fails')} fail, in ${seconds} s`);
