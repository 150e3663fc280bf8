import { importModel, legalize } from '../src/index.ts';
const graph = await importModel(process.argv[2]);
const t = performance.now();
const r = legalize(graph, { target: 'onednn' });
console.log(Math.round(performance.now() - t), r.certificate.verdict);
for (const e of r.certificate.entries) if (e.exactness !== 'bit-exact') console.log(e.node, JSON.stringify(e.exactness).slice(0, 300));
for (const s of r.strategies) console.log(s.node, s.op, s.chosen);
