/** Textual IR, changed token by token. */

import { legalize } from '../../../src/codegen/legalize.ts';
import { allOps, dtypes, parse, print } from '../../../src/ir/index.ts';
import { changedNumber, type Draw, hostileIntegers, once, pick } from '../draw.ts';
import { examineModel } from '../examine_model.ts';
import { graphs } from '../own_seeds.ts';
import { changeGraph } from './graph_changes.ts';
import { defineKind } from './kind.ts';

export const qirKind = defineKind<string>({
  name: 'qir',
  seeds: async () =>
    graphs().flatMap((graph, i) => [
      { name: `drawn ${i}`, read: () => Buffer.from(print(graph)) },
      ...(i % 4 === 0 ? [{ name: `corrected ${i}`, read: () => Buffer.from(print(legalize(graph).graph)) }] : []),
    ]),
  open: (bytes) => new TextDecoder().decode(bytes),
  change(text, draw, { mood }) {
    if (mood === 'gentle') {
      const changed = changeGraph(parse(text), draw);
      if (changed) return print(changed);
    }
    return changeText(text, draw);
  },
  write: (text) => Buffer.from(text),
  *smaller(text) {
    const lines = text.split('\n');
    for (const at of lines.keys()) yield lines.filter((_, i) => i !== at).join('\n');
  },
  examine: (bytes, examination) => examineModel(bytes, examination),
});

const TOKEN = /"(?:[^"\\\n]|\\.)*"|[%@]?[A-Za-z_][\w.$/]*|-?\d+\.?\d*(?:e[-+]?\d+)?|\s+|./gs;
const marks = ['(', ')', '[', ']', '{', '}', '=', ',', ':', '->', '"', '%', '@', '//', '\n'];
const words = [
  'inf',
  'nan',
  '-inf',
  'true',
  'N',
  '_',
  'loc',
  'sizes',
  'graph',
  'constants',
  'floor(N/2)',
  '1e400',
  '0x10',
  '"\\t"',
];

/** One or two tokens become others of their kind, or any text; a line goes, comes twice, or moves. */
export function changeText(text: string, draw: Draw): string {
  if (once(draw, 5)) {
    const lines = text.split('\n');
    const at = draw(lines.length);
    const [line] = lines.splice(at, 1);
    if (!once(draw, 3)) lines.splice(draw(lines.length + 1), 0, ...Array<string>(1 + draw(2)).fill(line));
    return lines.join('\n');
  }
  const tokens = text.match(TOKEN) ?? [];
  const places = [...tokens.keys()].filter((i) => /\S/.test(tokens[i]));
  if (places.length === 0) return text;
  for (let n = 1 + draw(2); n > 0; n--) {
    const at = pick(draw, places);
    tokens[at] = changedToken(tokens[at], tokens, draw);
  }
  return tokens.join('');
}

function changedToken(token: string, tokens: readonly string[], draw: Draw): string {
  if (once(draw, 12)) return pick(draw, [...marks, ...words, '']);
  const alike = (test: RegExp): string =>
    pick(
      draw,
      tokens.filter((other) => test.test(other)),
    );
  if (/^-?\d/.test(token)) return spelled(changedNumber(draw, Number(token), token.includes('.')));
  if (/^[%@]/.test(token)) return alike(/^[%@]/);
  if (/^(qnn|nn|dnnl)\./.test(token)) return once(draw, 2) ? alike(/^(qnn|nn|dnnl)\./) : pick(draw, allOps).name;
  if (Object.hasOwn(dtypes, token)) return pick(draw, Object.keys(dtypes));
  if (/^"/.test(token))
    return once(draw, 2) ? alike(/^"/) : token.replace(/[A-Za-z0-9]/, String.fromCharCode(33 + draw(90)));
  if (/^[A-Za-z]/.test(token)) return once(draw, 2) ? alike(/^[A-Za-z]/) : pick(draw, words);
  return once(draw, 2) ? pick(draw, marks) : String(pick<number>(draw, hostileIntegers));
}

const spelled = (n: number): string =>
  Number.isNaN(n) ? 'nan' : Object.is(n, -0) ? '-0' : n === Infinity ? 'inf' : n === -Infinity ? '-inf' : String(n);
