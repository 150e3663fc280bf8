/** The inputs of the zoo's models: random, by the same seed each time. */
import { fittingSizes } from '../../src/cli/open_sizes.ts';
import { randomFeeds } from '../../src/cli/random.ts';
import { bytesOf, type Graph, type ITensor, namedDim, specialize, symbolsIn, toPublic } from '../../src/ir/index.ts';
import { randomSource } from '../../src/testing/contents.ts';
import type { StoredTensors } from './protocol.ts';

export type Sizes = Readonly<Record<string, number>>;

/** `batch=8,H=224` as sizes by name: a symbol, or the name that the file gives it, of any characters. */
export function parseSizes(text: string): Sizes {
  const entries = text.split(/(?<==\d+),/).map((part): [string, number] => {
    const [, name, size] = /^(.+)=(\d+)$/s.exec(part) ?? [];
    if (name === undefined) throw new Error(`--sizes: '${part}' is not NAME=SIZE`);
    return [name, Number(size)];
  });
  return Object.fromEntries(entries);
}

/** `5-128` as the shortest and the longest length. */
export function parseLengths(text: string): readonly [shortest: number, longest: number] {
  const [shortest, longest] = (/^(\d+)-(\d+)$/.exec(text) ?? []).slice(1).map(Number);
  if (shortest === undefined || shortest < 1 || shortest > longest)
    throw new Error(`--lengths: '${text}' is not FROM-TO`);
  return [shortest, longest];
}

const symbolsOf = ({ inputs, values }: Graph): string[] => [
  ...new Set(inputs.flatMap((id) => values[id].type.shape.flatMap(symbolsIn))),
];

/** The symbol of the inputs that names the length of a sequence. */
export function sequenceSymbol(graph: Graph): string {
  const found = symbolsOf(graph).find((symbol) => /seq|length|token/i.test(symbol));
  if (found === undefined) throw new Error('no size of the inputs is the length of a sequence');
  return found;
}

/** The graph with these sizes, and where others are open, sizes that fit. */
export function sized(graph: Graph, sizes: Sizes): Graph {
  const open = symbolsOf(graph);
  const nameOf = (symbol: string): string => String(namedDim(graph, symbol));
  const given = specialize(
    graph,
    new Map(
      Object.entries(sizes).flatMap(([name, size]) => {
        const named = open.filter((symbol) => symbol === name || nameOf(symbol) === name);
        if (named.length === 0) {
          const names = open.length > 0 ? [...new Set(open.map(nameOf))].join(', ') : 'all are known';
          throw new Error(`no size of the inputs is called '${name}': ${names}`);
        }
        return named.map((symbol) => [symbol, size] as const);
      }),
    ),
  );
  const fitting = fittingSizes(given);
  return fitting === undefined ? given : specialize(given, fitting);
}

/** Random inputs of a graph whose sizes are known; masks are ones, as of a sentence without padding. */
export function feedsOf(graph: Graph): StoredTensors {
  const tensors = Object.entries(randomFeeds(graph, 1)).map(([name, tensor]) => {
    const { type, dims, data } = toPublic(/mask/i.test(name) ? ones(tensor) : tensor);
    return [name, { type, dims, data: Buffer.from(bytesOf(data)).toString('base64') }] as const;
  });
  return Object.fromEntries(tensors);
}

function ones(tensor: ITensor): ITensor {
  const { data } = tensor;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) data.fill(1n);
  else if (tensor.dtype !== 'f16' && tensor.dtype !== 'bf16') data.fill(1);
  return tensor;
}

/** So many random lengths, the same each time. */
export function drawLengths([shortest, longest]: readonly [number, number], count: number): number[] {
  const next = randomSource(1);
  return Array.from({ length: count }, () => shortest + Math.floor(next() * (longest - shortest + 1)));
}
