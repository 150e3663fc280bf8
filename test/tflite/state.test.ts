/** Models with state: variables as inputs and outputs, and the layers that read them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { UnskewError } from '../../src/diagnostics/index.ts';
import { importTflite, type TfliteOrigin } from '../../src/importers/tflite/import.ts';
import { tfliteProfiles } from '../../src/importers/tflite/profiles.ts';
import { interpret, isOp, nodesOf, opaqueOp, tensor, verify } from '../../src/ir/index.ts';
import { doublesOf } from '../../src/tensors/index.ts';
import { itWhole } from '../support/corpus.ts';
import { draws } from '../support/draws.ts';
import { json, unskew, workFolder } from '../unit/cli/support.ts';
import { sameEverywhere } from './everywhere.ts';
import * as floatLayers from './float_layers.ts';
import { type ModelInit, modelBytes } from './model_writer.ts';
import { difference, operatorCases, outcomeOf } from './operator_cases.ts';
import { compareLayers, fileOf, layersOf, recordedModels, SETS } from './public_models.ts';
import { type Drawn, lstm, svdf } from './recurrent_layers.ts';
import { runsOf, startOf } from './runs.ts';

const state = 'inputs-and-outputs';

/** SVDF of two units with a memory of three runs; the state is t3. */
const floats: ModelInit = {
  tensors: [
    { dtype: 'f32', shape: [1, 1] },
    { dtype: 'f32', shape: [2, 1], data: tensor('f32', [1, 10], [2, 1]) },
    { dtype: 'f32', shape: [2, 3], data: tensor('f32', [1, 2, 4, 1, 1, 1], [2, 3]) },
    { dtype: 'f32', shape: [1, 6], isVariable: true },
    { dtype: 'f32', shape: [1, 2] },
  ],
  inputs: [0],
  outputs: [4],
  operators: [{ name: 'SVDF', inputs: [0, 1, 2, -1, 3], outputs: [4], options: { number: 6, fields: [[0, 1]] } }],
};

const add = (a: number, b: number, y: number) => ({ name: 'ADD', inputs: [a, b], outputs: [y] });
/** y = x + h, where nothing changes the variable h. */
const reading: ModelInit = {
  tensors: [
    { dtype: 'f32', shape: [2] },
    { dtype: 'f32', shape: [2], isVariable: true },
    { dtype: 'f32', shape: [2] },
  ],
  inputs: [0],
  outputs: [2],
  operators: [add(0, 1, 2)],
};

const feeds = (values: readonly number[], shape: readonly number[] = [values.length]) => tensor('f32', values, shape);

describe('a variable', () => {
  it('is refused by its name, with the option that takes it', () => {
    const error = (() => {
      try {
        return importTflite(modelBytes(floats), { file: 'm.tflite' });
      } catch (e) {
        return e;
      }
    })();
    expect((error as UnskewError).diagnostics[0]).toMatchObject({
      code: 'U2008',
      message: "'t3' is state that one run leaves for the next",
      location: { file: 'm.tflite', op: 'SVDF', input: 't3' },
      hint: expect.stringContaining("state: 'inputs-and-outputs'"),
    });
  });

  it('becomes an input, and an output of its new value', () => {
    const graph = importTflite(modelBytes(floats), { state });
    expect(verify(graph)).toEqual([]);
    expect([graph.inputs, graph.outputs]).toEqual([
      ['t0', 't3'],
      ['t4', 't3.next'],
    ]);
    expect(graph.origin?.state).toEqual([{ input: 't3', output: 't3.next', start: 0 }]);
    const first = interpret(graph, { t0: feeds([5], [1, 1]), t3: feeds([0, 1, 2, 0, 10, 20], [1, 6]) });
    expect(first).toEqual({
      t4: feeds([1 + 4 + 20, 10 + 20 + 50], [1, 2]),
      't3.next': feeds([1, 2, 5, 10, 20, 50], [1, 6]),
    });
  });

  it('is returned as it is where nothing changes it', () => {
    const graph = importTflite(modelBytes(reading), { state });
    const results = interpret(graph, { t0: feeds([1, 2]), t1: feeds([10, 20]) });
    expect(results).toEqual({ t2: feeds([11, 22]), 't1.next': feeds([10, 20]) });
  });

  it('is left alone where no operator reads it', () => {
    const graph = importTflite(modelBytes({ ...reading, operators: [add(0, 0, 2)] }));
    expect([graph.inputs, graph.outputs]).toEqual([['t0'], ['t2']]);
  });

  it('begins at its zero point', () => {
    const { model } = lstm(1);
    const graph = importTflite(model, { state });
    const { tensors } = (graph.origin as TfliteOrigin).model.subgraphs[0];
    const zeros = tensors.filter(({ isVariable }) => isVariable).map(({ quantization }) => quantization?.zeroPoint[0]);
    expect(Object.values(startOf(graph)).map(({ data }) => data[0])).toEqual(zeros);
  });

  it('is changed by an operator that is carried', () => {
    const tensors = floats.tensors.map((init, i) =>
      i === 2 ? { ...init, dtype: 's32' as const, data: tensor('s32', [1, 2, 4, 1, 1, 1], [2, 3]) } : init,
    );
    const graph = importTflite(modelBytes({ ...floats, tensors }), { state });
    const carried = nodesOf(graph).filter((node) => isOp(node, opaqueOp));
    expect(carried.map(({ operands, results }) => [operands, results])).toEqual([
      [
        ['t0', 't1', 't2', null, 't3'],
        ['t4', 't3.next'],
      ],
    ]);
    expect(graph.outputs).toEqual(['t4', 't3.next']);
  });

  it('is not changed by two operators', () => {
    const [operator] = floats.operators;
    const operators = [operator, { ...operator, outputs: [5] }];
    const bytes = modelBytes({ ...floats, tensors: [...floats.tensors, floats.tensors[4]], operators });
    expect(() => importTflite(bytes, { state })).toThrow(/two operators change this state/);
  });

  it('may be a result too', () => {
    const graph = importTflite(modelBytes({ ...floats, outputs: [4, 3] }), { state });
    const results = interpret(graph, { t0: feeds([5], [1, 1]), t3: feeds([0, 1, 2, 0, 10, 20], [1, 6]) });
    expect(Object.keys(results)).toEqual(['t4', 't3:output', 't3.next']);
    expect(results['t3:output']).toEqual(results['t3.next']);
  });

  it('is not changed by a result', () => {
    const bytes = modelBytes({ ...reading, operators: [add(0, 1, 2), add(0, 0, 1)] });
    expect(() => importTflite(bytes, { state })).toThrow(/a result takes the place of the state 't1'/);
  });

  it('is not state where a result is written to it before it is read', () => {
    const graph = importTflite(modelBytes({ ...reading, operators: [add(0, 0, 1), add(0, 1, 2)] }));
    expect(graph.inputs).toEqual(['t0']);
    expect(interpret(graph, { t0: feeds([1, 2]) })).toEqual({ t2: feeds([3, 6]) });
  });

  /** The model of `floats` with the state dequantized from a constant. */
  const dequantized = (values: readonly number[]): ModelInit => ({
    ...floats,
    tensors: [
      ...floats.tensors,
      { dtype: 'f16', shape: [1, 6], data: { ...tensor('u16', values, [1, 6]), dtype: 'f16' } },
    ],
    operators: [{ name: 'DEQUANTIZE', inputs: [5], outputs: [3] }, ...floats.operators],
  });

  it('is state where zeros are dequantized to it: LiteRT does so in the first run alone', async () => {
    const inputs = [1, 2, 3].map((value) => ({ t0: feeds([value], [1, 1]) }));
    const answers = await Promise.all(
      [floats, dequantized(Array(6).fill(0))].map((model) => {
        const graph = importTflite(modelBytes(model), { state });
        expect(graph.origin?.state).toEqual([{ input: 't3', output: 't3.next', start: 0 }]);
        return runsOf(graph, inputs, async (given) => interpret(graph, given));
      }),
    );
    expect(answers[1]).toEqual(answers[0]);
  });

  it('carries the operator that changes it where another value is written to it first', () => {
    const graph = importTflite(modelBytes(dequantized([0x3c00, 0, 0, 0, 0, 0])), { state });
    expect(graph.origin?.unsupported).toMatchObject([
      { operator: 'SVDF', reason: "it changes 't3', which this run writes first" },
    ]);
  });

  it('is asked for where an operator changes a tensor', () => {
    const tensors = floats.tensors.map((init, i) => (i === 3 ? { ...init, isVariable: false } : init));
    const bytes = modelBytes({ ...floats, tensors, inputs: [0, 3] });
    expect(() => importTflite(bytes, { state })).toThrow(/the input 'state' should be a variable/);
  });
});

describe('the command line', () => {
  it('takes state as inputs and outputs', async () => {
    const work = workFolder();
    try {
      const file = work.write('m.tflite', modelBytes(floats));
      expect((await unskew(['inspect', file])).stderr).toContain('--state inputs-and-outputs');
      const { result } = await json(['inspect', file, '--state', state]);
      const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name);
      expect([names(result.inputs), names(result.outputs)]).toEqual([
        ['t0', 't3'],
        ['t4', 't3.next'],
      ]);
    } finally {
      work.dispose();
    }
  });
});

const layers: readonly (readonly [string, (seed: number) => Drawn])[] = [
  ['SVDF', svdf],
  ['UNIDIRECTIONAL_SEQUENCE_LSTM', lstm],
];

describe.each(layers)('%s on bytes', (_name, draw) => {
  it('gives the integers of its equations, run after run', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.constantFrom(...tfliteProfiles), async (seed, profile) => {
        const { model, runs } = draw(seed);
        const graph = importTflite(model, { profile, state });
        expect(graph.origin?.unsupported).toEqual([]);
        expect(verify(graph)).toEqual([]);
        const results = await runsOf(
          graph,
          runs.map(({ x }) => ({ [graph.inputs[0]]: x })),
          async (given) => interpret(graph, given),
        );
        expect(results.map((result) => result[graph.outputs[0]])).toEqual(runs.map(({ y }) => y));
      }),
      draws(20),
    );
  });

  it('gives the same integers on the addon and on ONNX Runtime', async () => {
    for (const seed of [1, 2, 3]) {
      const { model, runs } = draw(seed);
      const graph = importTflite(model, { state });
      await sameEverywhere(graph, { [graph.inputs[0]]: runs[0].x, ...startOf(graph) });
    }
  });
});

const onFloats: typeof layers = [
  ['SVDF', floatLayers.svdf],
  ['UNIDIRECTIONAL_SEQUENCE_LSTM', floatLayers.lstm],
];

it.each(onFloats)('%s on floats gives the numbers of its equations, run after run', async (_name, draw) => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.constantFrom(...tfliteProfiles), async (seed, profile) => {
      const { model, runs } = draw(seed);
      const graph = importTflite(model, { profile, state });
      expect(graph.origin?.unsupported).toEqual([]);
      const results = await runsOf(
        graph,
        runs.map(({ x }) => ({ [graph.inputs[0]]: x })),
        async (given) => interpret(graph, given),
      );
      for (const [i, { y }] of runs.entries()) {
        const got = results[i][graph.outputs[0]];
        const largest = Math.max(...doublesOf(y).map(Math.abs));
        // roundings of 2^-24, which normalization raises by up to 1/√1e-8 where the sums of all cells are nearly equal
        expect(difference(y, got, 2 ** -12 / largest)).toBeUndefined();
      }
    }),
    draws(30),
  );
});

describe.each(tfliteProfiles)('records of LiteRT in the profile %s', (profile) => {
  itWhole('are the single operators, run after run', async () => {
    const cases = layers.flatMap(([name]) => operatorCases(name));
    const outcomes = await Promise.all(
      cases.map((c) => outcomeOf(c, profile, async (graph, given) => interpret(graph, given))),
    );
    expect(outcomes).toEqual(Array(12).fill({ status: 'equal' }));
  });

  itWhole('are the layers of public models, which LiteRT ran twice', () => {
    const models = [...recordedModels()].filter(([, { stateful }]) => stateful);
    expect(models).toHaveLength(3);
    for (const [name, model] of models) {
      const graph = importTflite(fileOf(name), { profile, state });
      const reports = SETS.map((set) => compareLayers(graph, name, model, profile, set));
      const layers = 2 * layersOf(name).length;
      expect([name, reports]).toEqual([name, SETS.map(() => ({ equal: layers, wrong: [], unseen: 0 }))]);
    }
  });
});
