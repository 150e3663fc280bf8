/** What the zoo's benchmark reads, counts and writes; nothing here is timed. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { differenceOf } from '../../bench/zoo/difference.ts';
import { type Engine, engineNames, engines, homes, kindOf, modelName } from '../../bench/zoo/engines.ts';
import { drawLengths, feedsOf, parseLengths, parseSizes, sequenceSymbol, sized } from '../../bench/zoo/feeds.ts';
import { multiplyAdds } from '../../bench/zoo/multiply_adds.ts';
import type { StoredTensors } from '../../bench/zoo/protocol.ts';
import { differing, formatRows, formatSentences } from '../../bench/zoo/report.ts';
import { commandOf, type EngineFigures, merged, type Row, type SentencesRow } from '../../bench/zoo/result.ts';
import { extraTimes } from '../../bench/zoo/row.ts';
import { importOnnx } from '../../src/importers/index.ts';
import { type Graph, GraphBuilder, type Value } from '../../src/ir/index.ts';
import { nnAdd } from '../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnMatmul } from '../../src/ir/ops/nn_matmul.op.ts';
import { qnnConv } from '../../src/ir/ops/qnn_conv.op.ts';
import { qnnConvTranspose } from '../../src/ir/ops/qnn_conv_transpose.op.ts';
import { qnnMatmul } from '../../src/ir/ops/qnn_matmul.op.ts';
import { performancePage } from '../docs/performance_page.ts';
import { writeModel } from '../support/onnx.ts';

const source = (file: string) => readFileSync(new URL(`../../bench/zoo/${file}`, import.meta.url), 'utf8');

describe('engines', () => {
  test.each(engineNames)('%s has a function that starts it', (name) => {
    const found =
      engines[name].program === 'python'
        ? source('engine.py').includes(`"${name}": start_${name}`)
        : source('engine.mjs');
    expect(found === true || new RegExp(`^ {2}'?${name}'?: `, 'm').test(String(found))).toBe(true);
  });

  test('files go to the engines that take them', () => {
    expect(['a.onnx', 'b/c.tflite', 'd.e.pt2', 'f.ptl', 'g.txt', 'h'].map(kindOf)).toEqual([
      ...['onnx', 'tflite', 'torch', 'torch', undefined, undefined],
    ]);
    expect(modelName('zoo/resnet_v1.5.onnx')).toBe('zoo/resnet_v1.5');
    expect(homes).toEqual({ onnx: 'onnxruntime', tflite: 'litert', torch: 'pytorch' });
  });
});

/** A sum of tokens and a mask with open sizes. */
function sentences(): Graph {
  const b = new GraphBuilder();
  const [ids, mask] = ['input_ids', 'attention_mask'].map((name) => b.input(name, 's64', ['batch', 'sequence_length']));
  return b.finish([b.emit(nnAdd, { a: ids, b: mask })]);
}

describe('inputs', () => {
  test('sizes and lengths are parsed, and anything else is refused', () => {
    expect(parseSizes('batch=8,H=224')).toEqual({ batch: 8, H: 224 });
    expect(parseSizes('past + 1=7,min(a, b)=3,2=1')).toEqual({ 'past + 1': 7, 'min(a, b)': 3, '2': 1 });
    for (const wrong of ['H', '', '=8', 'H=', 'H=a'])
      expect(() => parseSizes(`batch=8,${wrong}`)).toThrow(`'${wrong}' is not NAME=SIZE`);
    expect(parseLengths('5-128')).toEqual([5, 128]);
    for (const wrong of ['5', '0-3', '9-3', 'a-b'])
      expect(() => parseLengths(wrong)).toThrow(`'${wrong}' is not FROM-TO`);
  });

  test('open sizes are those given, else the least', () => {
    const graph = sentences();
    expect(sequenceSymbol(graph)).toBe('sequence_length');
    const feeds = feedsOf(sized(graph, { sequence_length: 7 }));
    expect(feeds.input_ids).toMatchObject({ type: 'int64', dims: [1, 7] });
    expect(
      new Set(new BigInt64Array(Uint8Array.from(Buffer.from(feeds.attention_mask.data, 'base64')).buffer)),
    ).toEqual(new Set([1n]));
    expect(() => sized(graph, { width: 7 })).toThrow("no size of the inputs is called 'width': batch, sequence_length");
    expect(() => sequenceSymbol(sized(graph, {}))).toThrow('no size of the inputs');
  });

  test('sizes have the names of the file', () => {
    const graph = importOnnx(
      writeModel({
        inputs: ['a', 'b'].map((name) => ({ name, type: 'float32', dims: ['batch size', 'past + 1', 'n'] })),
        outputs: ['y', 'z'].map((name) => ({ name, type: 'float32' })),
        nodes: [
          { op: 'Neg', inputs: ['a'], outputs: ['y'] },
          { op: 'Neg', inputs: ['b'], outputs: ['z'] },
        ],
        opsets: { '': 17 },
      }),
    );
    const feeds = feedsOf(sized(graph, { 'batch size': 3, 'past + 1': 5, n: 2 }));
    expect([feeds.a.dims, feeds.b.dims]).toEqual([
      [3, 5, 2],
      [3, 5, 2],
    ]);
    expect(feedsOf(sized(graph, { batch_size: 4 })).a.dims[0]).toBe(4);
    expect(() => sized(graph, { width: 7 })).toThrow("called 'width': batch size, past + 1, n");
  });

  test('lengths are drawn alike each time, within their ends', () => {
    const drawn = drawLengths([5, 128], 1000);
    expect(drawLengths([5, 128], 1000)).toEqual(drawn);
    expect([Math.min(...drawn), Math.max(...drawn)]).toEqual([5, 128]);
    expect(drawn.every(Number.isInteger)).toBe(true);
  });
});

test('a length costs what its first sentence takes more than at once again', () => {
  const pass = [
    [50, 1],
    [4, 1],
    [2, 1],
    [6, 1],
    [9, 1],
  ];
  expect(extraTimes([9, 5, 9, 7, 5], pass)).toEqual([3, 5]);
});

describe('multiply-adds', () => {
  const counted = (emit: (b: GraphBuilder) => Value) => {
    const b = new GraphBuilder();
    return multiplyAdds(b.finish([emit(b)]));
  };
  const bytes = (b: GraphBuilder, name: string, shape: number[]) => b.input(name, 's8', shape);

  test('of a convolution: results × channels of a group × taps', () => {
    const count = counted((b) => {
      const [x, w] = [bytes(b, 'x', [2, 8, 5, 5]), bytes(b, 'w', [6, 4, 3, 3])];
      return b.emit(qnnConv, { x, w }, { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 2 });
    });
    const all = 2 * 6 * 9 * 4 * 9;
    expect(count).toEqual({ integers: all, all, convolutions: all });
  });

  test('of a transposed one: sources × filters of a group × taps', () => {
    const count = counted((b) => {
      const [x, w] = [bytes(b, 'x', [1, 4, 5, 5]), bytes(b, 'w', [4, 3, 2, 2])];
      const attrs = { strides: [2, 2], pads: [0, 0, 0, 0], dilations: [1, 1], group: 2, outputPadding: [0, 0] };
      return b.emit(qnnConvTranspose, { x, w }, attrs);
    });
    expect(count.convolutions).toBe(4 * 25 * 3 * 4);
  });

  test('of a matrix product: results × inner size, and no convolution', () => {
    const count = counted((b) => b.emit(qnnMatmul, { a: bytes(b, 'a', [2, 3, 5]), b: bytes(b, 'b', [5, 7]) }));
    expect(count).toEqual({ integers: 2 * 3 * 7 * 5, all: 2 * 3 * 7 * 5, convolutions: 0 });
  });

  test('products of floats are no work of VNNI', () => {
    const count = counted((b) => b.emit(nnMatmul, { a: b.input('a', 'f32', [3, 5]), b: b.input('b', 'f32', [5, 7]) }));
    expect(count).toEqual({ integers: 0, all: 3 * 7 * 5, convolutions: 0 });
  });
});

const stored = (type: string, array: Uint8Array | Float32Array): StoredTensors[string] => ({
  type,
  dims: [array.length],
  data: Buffer.from(array.buffer).toString('base64'),
});
const floats = (...values: number[]) => stored('float32', Float32Array.from(values));

describe('differences', () => {
  test('elements are counted; floats are also compared with the largest', () => {
    const difference = differenceOf(
      { bytes: stored('uint8', Uint8Array.of(1, 2, 3)), y: floats(1, 2, -4) },
      { bytes: stored('uint8', Uint8Array.of(1, 3, 4)), y: floats(1, 2.5, -4) },
    );
    expect(difference).toEqual({ integers: 2, integersOf: 3, floatBits: 1, floatsOf: 3, floats: 0.125 });
    expect(differing(difference)).toBe('3 of 6, by 1.3e-1');
  });

  test('outputs with other names are paired by position', () => {
    const difference = differenceOf({ a: floats(1), b: floats(2) }, { 0: floats(1), 1: floats(2) });
    expect(difference).toMatchObject({ floatBits: 0, floatsOf: 2, floats: 0 });
    expect(differing(difference)).toBe('0 of 2');
  });

  test('NaN equals NaN and nothing else; an output that is missing differs', () => {
    expect(differenceOf({ y: floats(Number.NaN) }, { y: floats(Number.NaN) })).toMatchObject({
      floatBits: 0,
      floats: 0,
    });
    expect(differenceOf({ y: floats(1) }, { y: floats(Number.NaN) })).toMatchObject({ floatBits: 1, floats: null });
    expect(differenceOf({}, { y: floats(1, 2) })).toMatchObject({ floatBits: 2, floatsOf: 2, floats: null });
  });
});

const figures = (ms: number, ratio: number): EngineFigures => ({
  ...{ version: '1.2.3', ms, ratio: [ratio - 0.1, ratio, ratio + 0.1], coldMs: 100 * ms, peakKiB: 1024 * ms },
});
const equal = { integers: 0, integersOf: 10, floatBits: 0, floatsOf: 0, floats: 0 };
const timed: Row = {
  ...{ model: 'net/dynamic-u8', kind: 'onnx', threads: 1, interpreted: 0, difference: equal, peakShare: 0.853 },
  engines: { unskew: figures(2, 1), onnxruntime: figures(5, 2.5) },
  refused: { openvino: 'no reason' },
};
const compared: Row = {
  ...{ model: 'net/dynamic-u8', kind: 'onnx', threads: 1, interpreted: 0, engines: {}, refused: {} },
  exact: equal,
};
const ofLengths: SentencesRow = {
  ...{ model: 'bert', kind: 'onnx', threads: 2, lengths: [5, 128], sentences: 100, refused: {} },
  engines: {
    unskew: { ...figures(200, 1), firstMs: 300, newLengthMs: 0.75 },
    onnxruntime: { ...figures(500, 2.5), firstMs: 510, newLengthMs: 0.01 },
  },
};

describe('files of figures', () => {
  const none = { rows: [], sentences: [], zeroPoints: [], unread: {}, runs: [] };

  test('a comparison with the interpreter joins the times, in either order', () => {
    const whole = { ...timed, exact: equal };
    expect(merged({ ...none, rows: [timed] }, { rows: [compared] }, 'run').rows).toEqual([whole]);
    expect(merged({ ...none, rows: [compared] }, { rows: [timed] }, 'run').rows).toEqual([whole]);
  });

  test('rows about something else stay, in order; commands are kept once', () => {
    const others: Row[] = [
      { ...timed, threads: 2 },
      { ...timed, sizes: { batch: 8 } },
      { ...timed, isa: 'avx2' },
    ];
    const all = merged(
      { ...none, rows: others, runs: ['a'], unread: { 'net/dynamic-u8': 'why' } },
      { rows: [timed] },
      'a',
    );
    expect(all.rows).toHaveLength(4);
    expect(all.runs).toEqual(['a']);
    expect(all.unread).toEqual({});
  });

  test('a command tells no paths', () => {
    expect(commandOf('bench:zoo', ['/home/me/zoo', 'net/dynamic', '--rounds=3', '--json=/tmp/x.json'])).toBe(
      'bench:zoo zoo net/dynamic --rounds=3',
    );
  });
});

test('tables have a column for each engine that was timed', () => {
  const text = formatRows([timed]);
  expect(text).toContain('ONNX Runtime / run (p10-p90)');
  expect(text).not.toContain('LiteRT');
  expect(text).toMatch(/net\/dynamic-u8 .* 2\.50 \(2\.40-2\.60\) .* 85 % .* 0 of 10/);
  expect(formatSentences([ofLengths]).split('\n')[3]).toMatch(
    /bert .* 100 of 5-128 +ONNX Runtime +500\.00 .* 510\.00 +0\.01/,
  );
});

test('the page of figures has every section that has rows', () => {
  const page = performancePage({
    ...{ machine: 'A machine', date: '2026-01-01', runs: ['bench:zoo zoo --rounds=3'], unread: { odd: 'not known' } },
    rows: [
      { ...timed, exact: equal },
      { ...timed, model: 'net', kind: 'torch', exact: 'too slow' },
      { ...timed, isa: 'avx2' },
      { ...timed, sizes: { batch: 8 } },
      { ...timed, model: 'refused/one', engines: {}, refused: { unskew: 'unknown' } },
      { ...timed, model: 'real', kind: 'tflite', engines: { unskew: figures(2, 1), litert: figures(1, 0.5) } },
    ],
    sentences: [ofLengths],
    zeroPoints: [{ network: 'resnet-50', zeroPoints: 'source', threads: 1, ms: 9, symmetricMs: 9 }],
  });
  expect(page.match(/^## .*/gm)).toEqual([
    ...['## The zoo', '## Other sizes', '## Real files', '## Archives of PyTorch'],
    ...['## Sentences of random lengths'],
    ...['## Other instruction sets', '## The cost of zero points', '## Refused'],
  ]);
  expect(page).toContain('npm run bench:zoo -- zoo --rounds=3');
  expect(page).toContain('| dynamic-u8 | 1 | 1 | **2.50** (2.50–2.50) | 1 of 1 |');
  expect(page).toContain(
    '| `net/dynamic-u8` | 1 | 2.00 | **2.50** (2.40–2.60) | 2.5 | 2.5 | 85 % |'.replace('2.5 | 2.5', '0.4 | 0.4'),
  );
  expect(page).toContain('* LiteRT: at least as fast on 0 of 1 rows');
  expect(page).toContain('every bit of the outputs is equal on 1 of 1 row.');
  expect(page).toContain('* `odd` is not read: not known');
  expect(page).toContain('* `refused/one`: unskew refuses it: unknown');
  expect(page).not.toContain('| `refused/one` |');
  const refusing: Engine = 'openvino';
  expect(page).toContain(`* \`net\`: ${engines[refusing].label} refuses it: no reason`);
});
