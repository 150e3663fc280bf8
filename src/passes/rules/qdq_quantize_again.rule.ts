import {
  type Node,
  nnDepthToSpace,
  nnIdentity,
  nnReshape,
  nnSpaceToDepth,
  nnTranspose,
  oneOf,
  opOf,
  qnnQuantize,
  type Value,
} from '../../ir/index.ts';
import { dequantizeOf, NORMAL, originOf, type QuantizeMatch } from '../qdq/parameters.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { planned, type Refusals } from '../rewrite/plan.ts';
import { defineRule } from '../rewrite/rule.ts';

/** Operators that put elements elsewhere. */
const isMover = oneOf(nnIdentity, nnReshape, nnTranspose, nnDepthToSpace, nnSpaceToDepth);

/** Integers, and what moves them, the last mover first. */
interface Again {
  readonly q: Value;
  readonly movers: readonly Node[];
}

/** Up to here 65,535 units of a scale are finite. */
const LARGEST = 2 ** 111;

function plan({ graph, x, scale, zp, attrs }: QuantizeMatch, { refuse, unrelated }: Refusals): Again {
  if (attrs.dtype !== 'u16' && attrs.dtype !== 's16') return unrelated('bytes have tables');
  const movers: Node[] = [];
  let value: Value = x;
  for (let node = graph.producer(value.id); node !== undefined && isMover(node); node = graph.producer(value.id)) {
    const [from] = node.operands;
    if (from === null) break;
    movers.push(node);
    value = graph.value(from);
  }
  const before = dequantizeOf(graph, value);
  if (before === undefined) return unrelated(originOf(graph, value));
  if (before.x.type.dtype !== attrs.dtype) return refuse(`it was dequantized from ${before.x.type.dtype}`, before.x);
  const [scales, zeros] = [
    [scale, before.scale].map((of) => graph.tensor(of)?.data),
    [zp, before.zp].map((of) => (of === undefined ? [0] : graph.tensor(of)?.data)),
  ];
  const numbers = [...scales, ...zeros];
  if (numbers.some((of) => of === undefined || of.length !== 1))
    return refuse('its scales and zero points are not single constants', scale);
  const [s, t, z, u] = numbers.map((of) => Number(of?.[0]));
  if (s !== t || z !== u) return refuse('it is quantized with other parameters than before', scale);
  if (!(s >= NORMAL && s <= LARGEST)) return refuse(`the scale ${s} loses digits, or 65,535 of it are infinite`, scale);
  return { q: before.x, movers };
}

const emit = ({ q, movers }: Again, a: Algebra): Value =>
  movers.reduceRight<Value>((v, mover) => a.b.emitList(opOf(mover), [v], mover.attrs, { loc: mover.loc })[0], q);

/** Exporters write a pair behind each movement of 16-bit tensors. */
export const quantizeAgain = defineRule({
  name: 'quantize-again',
  root: qnnQuantize,
  law: 'quantize(move(dequantize(q; s, z)); s, z) = move(q)   for 16-bit integers: (q − z)·s, rounded, divided by s and rounded, is within 2^-6 of q − z',
  exactness: 'bit-exact',
  ...planned(plan, (again, a, _match: QuantizeMatch) => emit(again, a), {
    what: 'quantizes with the scale 1',
    emit: (_, a, match) => a.emit(qnnQuantize, { x: match.x, scale: a.b.scalar('f32', 1) }, match.attrs),
  }),
});
