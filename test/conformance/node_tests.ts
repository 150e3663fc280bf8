/**
 * Counts the node tests of an onnx package that pass here and in ONNX Runtime, one beside the other, both through their Node.js
 * interfaces:
 *
 *   python test/conformance/onnx_node_tests.py FOLDER      (with the package onnx, once)
 *   npx tsx test/conformance/node_tests.ts FOLDER [--json] [--failing]
 *
 * A test passes when every output has the type, the shape and, as `onnx.backend.test` compares them, the values that the test expects.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import ort from 'onnxruntime-node';
import { openOnnx } from '../../src/formats/onnx/index.ts';
import { compile, type Tensor } from '../../src/index.ts';
import { dtypeOfOnnxName } from '../../src/tensors/dtype.ts';
import type { ITensor } from '../../src/tensors/tensor.ts';
import { toPublic } from '../../src/tensors/tensor.ts';
import { readTensorProto } from '../support/onnx.ts';
import { nodeTolerance } from './cases.ts';
import { difference } from './compare.ts';

type Tensors = Readonly<Record<string, Pick<Tensor, 'type' | 'data' | 'dims'>>>;
type Engine = (model: Uint8Array, feeds: Tensors) => Promise<Tensors>;

const engines: Readonly<Record<string, Engine>> = {
  async unskew(bytes, feeds) {
    const model = await compile(bytes, { threads: 1 });
    try {
      return await model.run(feeds);
    } finally {
      model.dispose();
    }
  },
  async onnxruntime(bytes, feeds) {
    const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 4 });
    const given = Object.entries(feeds).map(([name, { type, data, dims }]) => [
      name,
      new ort.Tensor(type as 'float32', data as Float32Array, dims),
    ]);
    const results = await session.run(Object.fromEntries(given));
    await session.release();
    return results as unknown as Tensors;
  },
};

/** Undefined when the test passes, else why not. */
async function failureOf(folder: string, engine: Engine): Promise<string | undefined> {
  if (existsSync(join(folder, 'no_tensors'))) return 'values that are no tensors';
  const read = (prefix: string): readonly (ITensor | undefined)[] => {
    const tensors: (ITensor | undefined)[] = [];
    for (let i = 0; ; i++) {
      const file = join(folder, 'test_data_set_0', `${prefix}_${i}.pb`);
      if (!existsSync(file)) return tensors;
      tensors.push(readTensorProto(readFileSync(file)).tensor);
    }
  };
  try {
    const model = readFileSync(join(folder, 'model.onnx'));
    const { inputs, outputs } = openOnnx(model, {}).graph;
    const feeds: Record<string, Tensor> = {};
    for (const [i, tensor] of read('input').entries()) {
      if (tensor === undefined) return 'an input of a type that has no array';
      feeds[inputs[i].name] = toPublic(tensor);
    }
    const results = await engine(model, feeds);
    for (const [output, tensor] of read('output').entries()) {
      const { name } = outputs[output];
      const { type, dims, data } = results[name];
      const actual = { dtype: dtypeOfOnnxName(type), shape: dims, data } as ITensor;
      const wrong = difference(actual, { output, tensor, tolerance: nodeTolerance }, 0);
      if (wrong !== undefined) return `${name}: ${wrong}`;
    }
    return undefined;
  } catch (error) {
    return String(error instanceof Error ? error.message : error).split('\n')[0];
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, failing: { type: 'boolean' } },
});
const [root] = positionals;
const tests = readdirSync(root).sort();
const failures = Object.fromEntries(Object.keys(engines).map((name) => [name, {} as Record<string, string>]));
for (const [i, test] of tests.entries()) {
  if (process.stderr.isTTY) process.stderr.write(`\r${i + 1} of ${tests.length}`);
  for (const [name, engine] of Object.entries(engines)) {
    const failure = await failureOf(join(root, test), engine);
    if (failure !== undefined) failures[name][test] = failure;
  }
}
const passed = (name: string) => tests.length - Object.keys(failures[name]).length;
const counts = Object.fromEntries(Object.keys(engines).map((name) => [name, passed(name)]));
const behind = tests.filter((test) => failures.unskew[test] !== undefined && failures.onnxruntime[test] === undefined);
if (values.json) console.log(JSON.stringify({ tests: tests.length, passed: counts, behind, failures }));
else {
  for (const [name, count] of Object.entries(counts))
    console.log(`${name.padEnd(12)} ${count} of ${tests.length} pass`);
  for (const test of behind) console.log(`only in onnxruntime: ${test}: ${failures.unskew[test]}`);
  if (values.failing) for (const [test, why] of Object.entries(failures.unskew)) console.log(`${test}: ${why}`);
}
process.exit(0); // ONNX Runtime may keep threads
