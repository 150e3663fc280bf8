/** Ways to damage an archive that leave it an archive: bytes, pickle opcodes, fields of JSON, tokens of source text. */
import { openArchive } from '../../../src/importers/torch/archive/index.ts';
import { type Entry, zip } from './archives.ts';

/** A number below a limit. */
export type Draw = (limit: number) => number;

/** Deterministic; seeds that follow one another have nothing in common, nor do their first draws (splitmix32). */
export function random(seed: number): Draw {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return Math.floor((((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32) * limit);
  };
}

export async function entriesOf(bytes: Uint8Array): Promise<Entry[]> {
  const archive = await openArchive(bytes);
  return archive.names.map((name) => ({
    name: `${archive.root || 'm/'}${name}`,
    data: archive.bytes(name).slice(),
    deflate: name.endsWith('.py'),
  }));
}

const pick = <T>(draw: Draw, list: readonly T[]): T => list[draw(list.length)];

const numbers = [
  '0',
  '-1',
  '1',
  '2',
  '3',
  '7',
  '255',
  '1000000000',
  '99999999999999999999',
  '1e308',
  '0.5',
  '-0.',
  'nan',
];
const words = ['None', 'True', 'self', 'x', '[]', '()', '[1, 1]', '[1000000, 1000000]', 'CONSTANTS.c0', 'torch', '"s"'];

function bytes(data: Uint8Array, draw: Draw): Uint8Array {
  const at = draw(data.length);
  const length = 1 + draw(8);
  switch (draw(4)) {
    case 0:
      return data.map((byte, i) => (i === at ? byte ^ (1 << draw(8)) : byte));
    case 1:
      return Buffer.concat([data.subarray(0, at), data.subarray(at + length)]);
    case 2:
      return Buffer.concat([
        data.subarray(0, at),
        Buffer.from(Array.from({ length }, () => draw(256))),
        data.subarray(at),
      ]);
    default:
      return Buffer.concat([data.subarray(0, at + length), data.subarray(at)]);
  }
}

/** Opcodes that PyTorch writes, and some that it never would. */
const opcodes = [...'NJKMXGcQRqrhj(t)]}abues\x81\x85\x86\x87\x88\x89\x8a\x8b\x93\x94.2iopPS0'].map((c) =>
  c.charCodeAt(0),
);

function opcode(data: Uint8Array, draw: Draw): Uint8Array {
  const places = [...data.keys()].filter((i) => opcodes.includes(data[i]));
  if (places.length === 0) return bytes(data, draw);
  const changed = data.slice();
  for (let n = 1 + draw(3); n > 0; n--) changed[pick(draw, places)] = pick(draw, opcodes);
  return changed;
}

/** A value of the document is replaced, doubled, or taken away. */
function json(data: Uint8Array, draw: Draw): Uint8Array {
  const text = Buffer.from(data).toString();
  if (/: -?(?:Infinity|NaN)/.test(text)) return bytes(data, draw); // as Python writes them
  const document: unknown = JSON.parse(text);
  let at = document as Record<string, unknown>;
  for (let depth = 0; depth < 40; depth++) {
    const keys = Object.keys(at);
    if (keys.length === 0) break;
    const key = pick(draw, keys);
    const child = at[key];
    if (typeof child === 'object' && child !== null && draw(12) !== 0) {
      at = child as Record<string, unknown>;
      continue;
    }
    const values: unknown[] = [
      0,
      -1,
      2 ** 40,
      1e300,
      0.5,
      null,
      true,
      '',
      'x',
      [],
      {},
      [child, child],
      { as_int: -3 },
      { as_ints: [2 ** 31] },
    ];
    if (draw(5) === 0) delete at[key];
    else at[key] = pick(draw, values);
    break;
  }
  return Buffer.from(JSON.stringify(document));
}

const token = /"(?:[^"\\\n]|\\.)*"|[A-Za-z_]\w*|\d+\.?\d*(?:e[-+]?\d+)?|\S|\s+/g;

function source(data: Uint8Array, draw: Draw): Uint8Array {
  const text = Buffer.from(data).toString();
  const lines = text.split('\n');
  if (draw(4) === 0) {
    const at = draw(lines.length);
    const line = lines[at];
    if (draw(2) === 0) lines.splice(at, 1);
    else lines.splice(draw(lines.length), 0, ...Array<string>(1 + draw(3)).fill(line));
    return Buffer.from(lines.join('\n'));
  }
  const tokens = text.match(token) ?? [];
  for (let n = 1 + draw(3); n > 0; n--) {
    const at = draw(tokens.length);
    const old = tokens[at];
    if (/^\d/.test(old) && draw(3) > 0) tokens[at] = pick(draw, numbers);
    else if (draw(3) === 0) tokens[at] = pick(draw, words);
    else tokens[at] = pick(draw, tokens);
  }
  return Buffer.from(tokens.join(''));
}

/** One entry, damaged by its kind; directories and names too. */
export function mutated(entries: readonly Entry[], draw: Draw): Uint8Array {
  const weighted = entries.filter(({ name }) => /\.(py|pkl|json|pt)$/.test(name));
  const victim = pick(draw, draw(8) === 0 || weighted.length === 0 ? entries : weighted);
  const data = victim.data as Uint8Array;
  if (data.length === 0) return zip(entries.filter((entry) => entry !== victim));
  const kind = draw(6);
  if (kind === 0 && draw(4) === 0) return zip(entries.filter((entry) => entry !== victim));
  const change = victim.name.endsWith('.py')
    ? source
    : victim.name.endsWith('.json')
      ? json
      : victim.name.endsWith('.pkl') && kind > 1
        ? opcode
        : bytes;
  const changed = { ...victim, data: (kind === 1 ? bytes : change)(data, draw) };
  return zip(entries.map((entry) => (entry === victim ? changed : entry)));
}
