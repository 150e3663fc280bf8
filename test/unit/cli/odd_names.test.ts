/** Names of inputs and outputs with characters that the command line uses itself, and names that are too long for files. */
import { readdirSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { writeNpy } from '../../../src/cli/npy.ts';
import { splitPairs } from '../../../src/cli/options.ts';
import { type ITensor, tensor } from '../../../src/ir/index.ts';
import { writeModel } from '../../support/onnx.ts';
import { json, unskew, workFolder } from './support.ts';

const work = workFolder();
afterAll(work.dispose);

const names = ['a', 'a=b', 'c:0', 'd,e', '=f', 'g=', 'h i', '-j'];
const model = work.write(
  'odd.onnx',
  writeModel({
    nodes: names.map((name) => ({ op: 'Neg', inputs: [name], outputs: [`${name}.out`] })),
    inputs: names.map((name) => ({ name, type: 'float32', dims: ['N'] })),
    outputs: names.map((name) => ({ name: `${name}.out`, type: 'float32', dims: ['N'] })),
  }),
);
/** Properties that every object of JavaScript has. */
const inherited = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'];
const npyOf = (name: string, values: ITensor) => work.write(name, writeNpy(values));
const npy = (name: string, value: number) => npyOf(name, tensor('f32', [value], [1]));

test('tensors are given to inputs of any name, from files of any name', async () => {
  const args = names.map((name, i) => `--input=${name}=${npy(`${i}=.npy`, i + 1)}`);
  const { code, result } = await json(['run', model, ...args]);
  expect(code).toBe(0);
  expect(result.outputs.map((output: { name: string; values: number[] }) => [output.name, output.values[0]])).toEqual(
    names.map((name, i) => [`${name}.out`, -i - 1]),
  );
});

test('sizes too', async () => {
  const args = names.map((name) => `--shape=${name}=3`);
  const { code, result } = await json(['inspect', model, ...args]);
  expect(code).toBe(0);
  expect(result.inputs.map(({ dims }: { dims: number[] }) => dims)).toEqual(names.map(() => [3]));
});

test('the longest known name counts, and without one the first =', () => {
  const known = ['a', 'a=b'];
  expect([...splitPairs(['a=b=c', 'a=./b=c', 'x=y=z', '=x=y'], known)]).toEqual([
    ['a=b', 'c'],
    ['a', './b=c'],
    ['x', 'y=z'],
    ['=x', 'y'],
  ]);
});

test.each(['x', 'x=', '=x'])("'%s' is not a pair", async (entry) => {
  const { code, stderr } = await unskew(['run', model, '--input', entry]);
  expect(code).toBe(2);
  expect(stderr).toContain(`--input: '${entry}' is not of the form NAME=FILE`);
});

test('an unknown name is said as it was written', async () => {
  const { code, stderr } = await unskew(['run', model, '--input', `z=1=${npy('z.npy', 1)}`]);
  expect(code).toBe(1);
  expect(stderr).toContain('1=');
});

test('outputs with names too long for files are written', async () => {
  const long = ['x'.repeat(300), `${'x'.repeat(300)}y`];
  const path = work.write(
    'long.onnx',
    writeModel({
      nodes: long.map((name) => ({ op: 'Neg', inputs: ['a'], outputs: [name] })),
      inputs: [{ name: 'a', type: 'float32', dims: [1] }],
      outputs: long.map((name) => ({ name, type: 'float32', dims: [1] })),
    }),
  );
  const { code } = await unskew(['run', path, '--random', '1', '-o', work.path('out')]);
  expect(code).toBe(0);
  expect(readdirSync(work.path('out'))).toHaveLength(2);
});

describe.each(inherited)('%s is a name like any other', (name) => {
  const shaped = { type: 'float32', dims: ['N', 2] } as const;
  const named = (input: string, between: string, output: string) =>
    writeModel({
      nodes: [
        { op: 'Add', inputs: [input, 'w'], outputs: [between], name },
        { op: 'Neg', inputs: [between], outputs: [output] },
      ],
      inputs: [{ name: input, ...shaped }],
      outputs: [{ name: output, ...shaped }],
      initializers: [{ name: 'w', tensor: tensor('f32', [1, 2], [2]) }],
    });
  const file = npyOf(`${name}.npy`, tensor('f32', [10, 20], [1, 2]));

  test.each([
    ['an input', name, 'm', 'y'],
    ['a value', 'x', name, 'y'],
    ['an output', 'x', 'm', name],
    ['an input beside an inherited output', name, 'm', name === 'valueOf' ? 'toString' : 'valueOf'],
  ])('of %s', async (_, input, between, output) => {
    const source = work.write(`${name}.onnx`, named(input, between, output));
    const [compiled, written, qir] = ['c.unskew', 'w.onnx', 'g.qir'].map(work.path);
    const run = async (path: string, ...args: string[]) => {
      const { code, result } = await json(['run', path, '--threads', '1', ...args]);
      expect({ code, result }).toMatchObject({ code: 0, result: { outputs: [{ name: output }] } });
      return result.outputs[0].values;
    };
    expect(await run(source, '--input', `${input}=${file}`)).toEqual([-11, -22]);
    await run(source, '--random', '1');
    await run(source, '--random', '1', '--shape', `${input}=3,2`);
    for (const args of [
      ['compile', source, '-o', compiled],
      ['rewrite', source, '-o', written, '--check', '--emit-ir', qir],
      ['check', source, '--runs', '1'],
      ['inspect', source],
    ])
      expect({ args, code: (await unskew(args)).code }).toEqual({ args, code: 0 });
    for (const path of [compiled, written, qir])
      expect(await run(path, '--input', `${input}=${file}`)).toEqual([-11, -22]);
  });
});
