import { join } from 'node:path';
import { sizeOf, type Tensor } from '../../ir/index.ts';
import { bfloat16ToNumber, halfToNumber } from '../../numerics/index.ts';
import { toFeeds } from '../../runtime/index.ts';
import { workOf } from '../command.ts';
import type { run } from '../commands/run.ts';
import { modelOf, noteFallbacks } from '../compiling.ts';
import { writeOutput } from '../files.ts';
import { publicFeeds } from '../inputs.ts';
import { writeNpy } from '../npy.ts';
import { openWithFeeds } from '../sized.ts';
import { formatTable, named, right } from '../table.ts';
import { STANDARD_STREAM, type Terminal } from '../terminal.ts';

const SHOWN = 8;
/** File systems allow 255 bytes; the rest is for the suffix of the file. */
const LONGEST_NAME = 240;

export const work = workOf<typeof run>()({
  async run(values, terminal) {
    if (values.output === STANDARD_STREAM) terminal.claimStdout();
    const { source, graph, feeds } = await openWithFeeds(values.model, values, terminal);
    const model = modelOf(source, values, graph, terminal);
    try {
      terminal.progress('running');
      const start = performance.now();
      const results = await model.run(publicFeeds(feeds));
      const milliseconds = performance.now() - start;
      noteFallbacks(model, values.model, terminal);
      const files = values.output === undefined ? {} : await writeAll(results, values.output, terminal);
      const outputs = Object.entries(results).map(([name, tensor]) => ({
        ...summary(name, tensor),
        ...(files[name] !== undefined && { file: files[name] }),
      }));
      return { file: values.model, backend: model.backend, milliseconds, outputs };
    } finally {
      model.dispose();
    }
  },
  format: ({ outputs, milliseconds }) =>
    [
      formatTable(
        [named('output'), 'type', 'dims', right('largest at'), 'first values'],
        outputs.map(({ name, type, dims, argmax, values, file }) => [
          name,
          type,
          `[${dims.join(', ')}]`,
          argmax?.join(' ') ?? '',
          `${values.map(formatValue).join(' ')}${sizeOf(dims) > SHOWN ? ' …' : ''}${file ? `  → ${file}` : ''}`,
        ]),
      ),
      `${milliseconds.toFixed(2)} ms, the first run of this process`,
    ].join('\n\n'),
});

function summary(name: string, { type, data, dims }: Tensor) {
  const numbers = numbersIn(type, data);
  const argmax = argmaxOf(numbers, dims);
  // JSON has no NaN and no infinities: they are told by their names instead of as null.
  const values = Array.from<number | bigint, number | bigint | string>(numbers.subarray(0, SHOWN), (v) =>
    typeof v === 'number' && !Number.isFinite(v) ? String(v) : v,
  );
  return { name, type, dims, values, ...(argmax && { argmax }) };
}

/** float16 and bfloat16 are held as bit patterns. */
function numbersIn(type: string, data: Tensor['data']): Tensor['data'] {
  const decode = { float16: halfToNumber, bfloat16: bfloat16ToNumber }[type];
  return decode && data instanceof Uint16Array ? Float64Array.from(data, decode) : data;
}

/** The index of the largest value along the last axis, of each row; undefined for no rows or too many to show. */
function argmaxOf(data: Tensor['data'], dims: readonly number[]): number[] | undefined {
  const length = dims.at(-1) ?? 0;
  const rows = length === 0 ? 0 : data.length / length;
  if (length < 2 || rows < 1 || rows > SHOWN) return undefined;
  return Array.from({ length: rows }, (_, row) => {
    let best = row * length;
    for (let i = best + 1; i < (row + 1) * length; i++) {
      if (data[i] > data[best] || Number.isNaN(data[best])) best = i;
    }
    return best - row * length;
  });
}

const formatValue = (value: number | bigint | string): string =>
  typeof value !== 'number' || Number.isInteger(value) ? String(value) : value.toPrecision(5);

/** Files by output; names of outputs become names of files. */
async function writeAll(
  results: Readonly<Record<string, Tensor>>,
  folder: string,
  terminal: Terminal,
): Promise<Record<string, string>> {
  if (folder === STANDARD_STREAM) {
    const arrays = Object.values(toFeeds(results)).map(writeNpy);
    await writeOutput(folder, Buffer.concat(arrays), terminal);
    return {};
  }
  const files: Record<string, string> = {};
  for (const [name, tensor] of Object.entries(toFeeds(results))) {
    const plain =
      name
        .replace(/[^\w.-]/g, '_')
        .replace(/^\.+/, '_')
        .slice(0, LONGEST_NAME) || '_';
    const taken = new Set(Object.values(files));
    let file = join(folder, `${plain}.npy`);
    for (let n = 1; taken.has(file); n++) file = join(folder, `${plain}.${n}.npy`);
    await writeOutput(file, writeNpy(tensor), terminal);
    files[name] = file;
  }
  return files;
}
