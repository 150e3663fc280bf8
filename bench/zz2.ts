import { importModel, legalize, print } from '../src/index.ts';
import { GraphPair } from '../src/passes/proofs/region.ts';
import { SizedRegions } from '../src/passes/proofs/sizes.ts';
const graph = await importModel(process.argv[2]);
const r = legalize(graph, { target: 'onednn', verify: false });
const pair = new GraphPair(r.quantized, r.graph);
for (const root of pair.changed()) { const reg = pair.region(root)!; console.log(root, reg.leaves.map((l) => l + ' ' + JSON.stringify(reg.before.values[l].type)), [...new SizedRegions(reg)].length, JSON.stringify(reg.before.values[root].type)); if (process.argv[3]) {console.log(print(reg.before).slice(0, 1500)); console.log(print(reg.after).slice(0,2500));} }
for (const e of r.certificate.entries) for (const o of e.obligations ?? []) console.log(e.node, o.method);
