/** Compiled files: header and constants changed under right checksums, and under wrong ones. */
import { crc32 } from 'node:zlib';
import { writeCompiledFile } from '../../../src/codegen/compiled_file.ts';
import { byteLengthOf, type DType, sizeOf } from '../../../src/ir/index.ts';
import { compileGraph } from '../../../src/runtime/compile_graph.ts';
import { damaged } from '../bytes.ts';
import { changedNumber, type Draw, once, pick } from '../draw.ts';
import { examineModel } from '../examine_model.ts';
import { graphs } from '../own_seeds.ts';
import { type ChangeContext, defineKind } from './kind.ts';
import { changeText } from './qir.ts';

/** The format is written in codegen/compiled_file.ts: magic, length, checksum, header, constants. */
const LENGTH = 8;
const CHECKSUM = 12;
const HEADER = 16;
const ALIGNMENT = 64;

interface Parts {
  /** Magic and version. */
  readonly magic: Uint8Array;
  readonly header: string;
  readonly constants: Uint8Array;
  /** Takes the place of the right checksum. */
  readonly checksum?: number;
}

export const compiledKind = defineKind<Parts>({
  name: 'unskew',
  seeds: async () =>
    graphs()
      .filter((_, i) => i % 3 === 0)
      .map((graph, i) => ({
        name: `drawn ${i}`,
        read: () => writeCompiledFile(compileGraph(graph, { threads: 1, measuredCosts: false })),
      })),
  open(bytes) {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(LENGTH, true);
    const start = Math.ceil((HEADER + length) / ALIGNMENT) * ALIGNMENT;
    return {
      magic: bytes.slice(0, LENGTH),
      header: Buffer.from(bytes.subarray(HEADER, HEADER + length)).toString(),
      constants: bytes.slice(start),
    };
  },
  change: changeParts,
  write({ magic, header, constants, checksum }) {
    const json = Buffer.from(header);
    const start = Math.ceil((HEADER + json.length) / ALIGNMENT) * ALIGNMENT;
    const file = Buffer.alloc(start + constants.length);
    file.set(magic);
    file.writeUInt32LE(json.length, LENGTH);
    file.set(json, HEADER);
    file.writeUInt32LE(checksum ?? crc32(json, crc32(file.subarray(0, CHECKSUM))), CHECKSUM);
    file.set(constants, start);
    return file;
  },
  *smaller() {},
  examine: (bytes, examination) => examineModel(bytes, examination),
});

function changeParts(parts: Parts, draw: Draw, { mood }: ChangeContext<Parts>): Parts {
  if (mood === 'gentle' && once(draw, 2)) return withOtherNumbers(parts, draw);
  switch (draw(12)) {
    case 0:
      return { ...parts, magic: damaged(parts.magic, draw).slice(0, LENGTH) };
    case 1:
      return { ...parts, checksum: draw(2 ** 31) };
    case 2:
      return { ...parts, constants: damaged(parts.constants, draw) };
    case 3:
      return { ...parts, header: Buffer.from(damaged(Buffer.from(parts.header), draw)).toString() };
    case 4:
    case 5:
      return withOtherNumbers(parts, draw);
    case 6:
    case 7:
    case 8:
      return { ...parts, header: edited(parts.header, (header) => changeField(header, draw)) };
    default:
      return {
        ...parts,
        header: edited(parts.header, (header) => {
          header.graph = changeText(String(header.graph), draw);
        }),
      };
  }
}

/** Constants changed, under checksums that are right. */
function withOtherNumbers(parts: Parts, draw: Draw): Parts {
  if (parts.constants.length === 0) return parts;
  const constants = parts.constants.slice();
  for (let n = 1 + draw(8); n > 0; n--)
    constants[draw(constants.length)] = pick(draw, [0, 1, 127, 128, 255, draw(256)]);
  return { ...parts, constants, header: edited(parts.header, (header) => withChecksums(header, constants)) };
}

type Header = Record<string, unknown>;
type Place = { readonly dtype: DType; readonly offset: number; readonly shape: number[]; crc: number };

function edited(text: string, edit: (header: Header) => void): string {
  try {
    const header = JSON.parse(text) as Header;
    edit(header);
    return JSON.stringify(header);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return text; // an earlier change left no JSON
    throw error;
  }
}

/** The constants that the header lists get the checksums of their bytes. */
function withChecksums(header: Header, constants: Uint8Array): void {
  for (const place of Object.values(header.constants as Record<string, Place>))
    place.crc = crc32(constants.subarray(place.offset, place.offset + byteLengthOf(place.dtype, sizeOf(place.shape))));
}

/** Any value of the document. */
function changeField(header: Header, draw: Draw): void {
  const places: [Header, string][] = [];
  const walk = (value: object): void => {
    for (const [key, child] of Object.entries(value)) {
      if (key !== 'graph') places.push([value as Header, key]);
      if (typeof child === 'object' && child !== null) walk(child);
    }
  };
  walk(header);
  if (places.length === 0) return;
  const [owner, key] = pick(draw, places);
  const old = owner[key];
  if (once(draw, 6)) delete owner[key];
  else if (typeof old === 'number' && !once(draw, 5)) owner[key] = changedNumber(draw, old, !Number.isInteger(old));
  else
    owner[key] = pick<unknown>(draw, [0, -1, 2 ** 53, 'x', '', null, true, [], {}, [old, old], [[]], 'f32', 'opaque']);
}
