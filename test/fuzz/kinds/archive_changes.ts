/** Changes of PyTorch's archives that leave them archives: pickle opcodes, fields of JSON, tokens of source text, entries of the ZIP. */
import { openArchive } from '../../../src/formats/torch/archive/index.ts';
import type { Entry } from '../../unit/torch/archives.ts';
import { damaged } from '../bytes.ts';
import { type Draw, once, pick } from '../draw.ts';

export async function entriesOf(bytes: Uint8Array): Promise<Entry[]> {
  const archive = await openArchive(bytes);
  return archive.names.map((name) => ({
    name: `${archive.root || 'm/'}${name}`,
    data: archive.bytes(name).slice(),
    deflate: name.endsWith('.py'),
  }));
}

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

/** Opcodes that PyTorch writes, and some that it never would. */
const opcodes = [...'NJKMXGcQRqrhj(t)]}abues\x81\x85\x86\x87\x88\x89\x8a\x8b\x93\x94.2iopPS0'].map((c) =>
  c.charCodeAt(0),
);

function opcode(data: Uint8Array, draw: Draw): Uint8Array {
  const places = [...data.keys()].filter((i) => opcodes.includes(data[i]));
  if (places.length === 0) return damaged(data, draw);
  const changed = data.slice();
  for (let n = 1 + draw(3); n > 0; n--) changed[pick(draw, places)] = pick(draw, opcodes);
  return changed;
}

/** A value of the document is replaced, doubled, or taken away. */
function json(data: Uint8Array, draw: Draw): Uint8Array {
  const text = Buffer.from(data).toString();
  if (/: -?(?:Infinity|NaN)/.test(text)) return damaged(data, draw); // as Python writes them
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
    else at[key] = pick<unknown>(draw, values);
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

const changeOf = (name: string): ((data: Uint8Array, draw: Draw) => Uint8Array) =>
  name.endsWith('.py') ? source : name.endsWith('.json') ? json : name.endsWith('.pkl') ? opcode : damaged;

/** Numbers of source text and of JSON become others, bytes of stored tensors too; the archive stays as it is. */
function changeNumbers(entries: readonly Entry[], draw: Draw): readonly Entry[] {
  const sources = entries.filter(({ name }) => /\.py$|model\.json$/.test(name));
  const stored = entries.filter(({ name }) => /data\/(\w+\/)?\w+$/.test(name));
  const victim = pick(draw, once(draw, 4) && stored.length > 0 ? stored : sources);
  if (victim === undefined) return entries;
  const data = Buffer.from(victim.data as Uint8Array);
  if (stored.includes(victim) && data.length > 0) data[draw(data.length)] = pick(draw, [0, 1, 127, 128, 255]);
  return entries.map((entry) =>
    entry === victim ? { ...entry, data: sources.includes(victim) ? otherNumbers(data, draw) : data } : entry,
  );
}

const NUMBER = /(?<![\w.%"'])-?\d+(?:\.\d*)?(?:e[-+]?\d+)?(?![\w.])/g;

function otherNumbers(data: Buffer, draw: Draw): Buffer {
  const text = data.toString();
  const places = [...text.matchAll(NUMBER)];
  if (places.length === 0) return data;
  const { index, 0: old } = pick(draw, places);
  const changed = old.includes('.') ? pick(draw, ['0.', '-0.5', '2.5', '100.', '1e-8', old]) : String(draw(6) - 1);
  return Buffer.from(`${text.slice(0, index)}${changed}${text.slice(index + old.length)}`);
}

/** One entry is changed by its kind; sometimes its name, its place, or its record in the directory. */
export function changeEntries(entries: readonly Entry[], draw: Draw, mood: 'gentle' | 'hostile'): readonly Entry[] {
  if (mood === 'gentle') return changeNumbers(entries, draw);
  const telling = entries.filter(({ name }) => /\.(py|pkl|json|pt)$/.test(name));
  const victim = pick(draw, once(draw, 6) || telling.length === 0 ? entries : telling);
  if (victim === undefined) return entries;
  const replaced = (entry: Entry) => entries.map((other) => (other === victim ? entry : other));
  const data = Buffer.from(victim.data as Uint8Array);
  switch (draw(24)) {
    case 0:
      return entries.filter((entry) => entry !== victim);
    case 1:
      return [...entries, { ...victim, data: damaged(data, draw) }];
    case 2:
      return replaced({
        ...victim,
        name: pick(draw, [
          `${victim.name}x`,
          `../${victim.name}`,
          `/${victim.name}`,
          'm/',
          '',
          pick(draw, entries).name,
        ]),
      });
    case 3:
      return replaced({ ...victim, declared: { size: pick(draw, [0, 1, data.length + 1, 2 ** 31, 2 ** 32 - 1]) } });
    case 4:
      return replaced({
        ...victim,
        declared: pick(draw, [{ crc: 1 }, { method: 12 }, { method: 8 }, { method: 0 }, { flags: 1 }]),
      });
    case 5:
      return replaced({ ...victim, deflate: !victim.deflate });
    case 6:
      return [victim, ...entries.filter((entry) => entry !== victim)];
    case 7:
      return replaced({ ...victim, data: pick(draw, entries).data });
    case 8:
    case 9:
      return replaced({ ...victim, data: damaged(data, draw) });
    default:
      return data.length === 0 ? entries : replaced({ ...victim, data: changeOf(victim.name)(data, draw) });
  }
}
