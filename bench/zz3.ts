import { importModel, legalize } from '../src/index.ts';
import { GraphPair } from '../src/passes/proofs/region.ts';
import { SizedRegions } from '../src/passes/proofs/sizes.ts';
import { checkIdentity } from '../src/passes/proofs/identity.ts';
import { Session } from '../src/passes/proofs/check.ts';
const graph = await importModel(process.argv[2]);
const r = legalize(graph, { target: 'onednn', verify: false });
const pair = new GraphPair(r.quantized, r.graph);
for (const root of pair.changed()) { const reg = pair.region(root)!; const session = new Session(1);
 for (const s of [...new SizedRegions(reg)].slice(0, 100)) { const t = performance.now(); const c = checkIdentity(s, [s], session); console.log(root, JSON.stringify(s.before.values[root].type.shape), c.compared, Math.round(performance.now() - t)); } }
