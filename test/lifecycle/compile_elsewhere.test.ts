/** Compilation in a thread of its own, by the bundled library: the same models, the same errors, and the caller's data stay as they are. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compile, Tensor } from '../../src/index.ts';
import { tensor } from '../../src/ir/index.ts';
import { intoBranches } from '../support/into_branches.ts';
import { writeModel } from '../support/onnx.ts';
import { bundleInto } from '../support/program.ts';
import { batch, network } from './network.ts';

const repository = resolve(import.meta.dirname, '../..');
/** Inside of the repository, as the code looks for its package.json in the folders above. */
const folder = mkdtempSync(join(repository, 'node_modules/.bundle-'));
beforeAll(() => {
  bundleInto(folder);
  writeFileSync(join(folder, 'model.onnx'), network());
  writeFileSync(join(folder, 'bad.onnx'), network().slice(0, 300));
  writeFileSync(
    join(folder, 'opaque.onnx'),
    writeModel({
      inputs: [{ name: 'x', type: 'float32', dims: [2] }],
      outputs: [{ name: 'y', type: 'float32' }],
      nodes: [{ op: 'Strange', domain: 'nobody', inputs: ['x'], outputs: ['y'] }],
      opsets: { '': 17, nobody: 1 },
    }),
  );
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true }));

/** A product whose weights take most of the file. */
function wideNetwork(): Uint8Array {
  const depth = 512;
  const weights = Int8Array.from({ length: depth * depth }, (_, i) => ((i * 37) % 127) - 63);
  const number = (name: string, dtype: 'f32' | 'u8' | 's8', value: number) => ({
    name,
    tensor: tensor(dtype, [value], []),
  });
  return writeModel({
    inputs: [{ name: 'x', type: 'uint8', dims: [4, depth] }],
    outputs: [{ name: 'y', type: 'uint8' }],
    initializers: [
      number('sx', 'f32', 0.5),
      number('zx', 'u8', 130),
      number('sw', 'f32', 0.01),
      number('zw', 's8', 0),
      { name: 'w', tensor: tensor('s8', weights, [depth, depth]) },
    ],
    nodes: [{ op: 'QLinearMatMul', inputs: ['x', 'sx', 'zx', 'w', 'sw', 'zw', 'sx', 'zx'], outputs: ['y'] }],
  });
}

/** What a script says in a process of its own, which has to end by itself; `threads` counts those that were started. */
function run(script: string): unknown {
  const path = join(folder, 'script.mjs');
  writeFileSync(
    path,
    `import threads from 'node:worker_threads';
    import { syncBuiltinESMExports } from 'node:module';
    import { readFileSync } from 'node:fs';
    let started = 0;
    const answers = [];
    const { Worker } = threads;
    threads.Worker = class extends Worker {
      constructor(...given) {
        super(...given);
        started++;
        this.on('message', (answer) => answers.push(...Object.keys(answer).filter((key) => key !== 'id')));
      }
    };
    syncBuiltinESMExports();
    const { compile, importModel, print, Tensor, UnskewError } = await import('./index.js');
    const file = new URL('model.onnx', import.meta.url).pathname;
    const backends = ['onednn'];
    const x = new Tensor('uint8', Uint8Array.from(${JSON.stringify([...batch(2).x.data])}), ${JSON.stringify(batch(2).x.dims)});
    const failed = async (body) => { try { await body(); } catch (error) { return [error instanceof UnskewError, error.name, error.message]; } };
    ${script}`,
  );
  return JSON.parse(execFileSync(process.execPath, [path], { encoding: 'utf8', cwd: folder, stdio: 'pipe' }));
}
const show = (...values: string[]): string => `console.log(JSON.stringify([${values.join(', ')}]));`;
const ACCOUNT = `const accountOf = async (model, more) => {
  const { y } = await model.run({ x, ...more });
  const { certificate, strategies, inputs, outputs, fallbacks, backend } = model;
  return JSON.parse(JSON.stringify({ certificate, strategies, inputs, outputs, backend, fallbacks, y: [...y.data] }));
};`;

test('a file, bytes and a graph become the model that the calling thread makes of them', async () => {
  const here = await compile(join(folder, 'model.onnx'), { backends: ['onednn'] });
  const { certificate, strategies, inputs, outputs, backend } = here;
  const { y } = await here.run(batch(2));
  const expected = JSON.parse(
    JSON.stringify({ certificate, strategies, inputs, outputs, backend, fallbacks: here.fallbacks, y: [...y.data] }),
  );
  here.dispose();
  const [started, ...accounts] = run(`${ACCOUNT}
    const bytes = readFileSync(file);
    const graph = await importModel(file);
    const before = [bytes.toString('base64'), print(graph)];
    const accounts = [];
    for (const source of [file, bytes, graph]) accounts.push(await accountOf(await compile(source, { backends })));
    accounts.push(bytes.toString('base64') === before[0] && print(graph) === before[1]);
    ${show('started', '...accounts')}`) as unknown[];
  expect(started).toBe(3);
  const [ofFile, ofBytes, ofGraph, untouched] = accounts;
  expect(ofFile).toEqual(expected);
  // its places have no file
  expect(ofBytes).toMatchObject({ y: expected.y, strategies: expected.strategies });
  expect(ofGraph).toEqual(expected);
  expect(untouched).toBe(true);
});

test.each([[4], ['N']])('floats that lie odd in a file cross by their places, for %s rows', async (rows) => {
  const tables = ['t', 'tt', 'ttt', 'tttt']; // their names move them
  const [depth, columns] = [128, 96];
  const element = (i: number): number => ((i * 37) % 255) - 127;
  const bytes = writeModel({
    inputs: [{ name: 'x', type: 'float32', dims: [rows, depth] }],
    outputs: tables.map((name) => ({ name: `${name}.y` })),
    initializers: tables.map((name) => ({
      name,
      tensor: tensor(
        'f32',
        Float32Array.from({ length: depth * columns }, (_, i) => element(i + name.length)),
        [depth, columns],
      ),
    })),
    nodes: tables.map((name) => ({ op: 'MatMul', inputs: ['x', name], outputs: [`${name}.y`] })),
  });
  writeFileSync(join(folder, 'odd.onnx'), bytes);
  const x = { type: 'float32', data: Array.from({ length: 4 * depth }, (_, i) => element(i * 3)), dims: [4, depth] };
  const here = await compile(bytes, { backend: 'reference' });
  const expected = await here.run({ x: new Tensor('float32', Float32Array.from(x.data), x.dims) });
  const found = run(`
    const { type, data, dims } = ${JSON.stringify(x)};
    const given = { x: new Tensor(type, Float32Array.from(data), dims) };
    const model = await compile(file.replace('model.onnx', 'odd.onnx'), { backends });
    const y = Object.values(await model.run(given)).map((y) => [...y.data]);
    ${show('started', 'y')}`);
  expect(found).toEqual([1, Object.values(expected).map(({ data }) => [...(data as Float32Array)])]);
});

/** Models that are more than a graph: one holds graphs, the other has an operator of its file. */
const withParts = {
  'a branch': intoBranches(network(), 1, true) as Uint8Array,
  'a sequence': writeModel({
    inputs: [{ name: 'x', type: 'uint8', dims: batch(2).x.dims }],
    outputs: [{ name: 'y', type: 'uint8' }],
    nodes: [
      { op: 'SequenceConstruct', inputs: ['x', 'x'], outputs: ['s'] },
      { op: 'ConcatFromSequence', inputs: ['s'], outputs: ['y'], attrs: { axis: 1 } },
    ],
    opsets: { '': 17 },
  }),
  'branches of two ranks, which a run settles': writeModel({
    inputs: [{ name: 'x', type: 'uint8', dims: ['N', ...batch(2).x.dims.slice(1)] }],
    outputs: [{ name: 'y', type: 'uint8' }],
    initializers: [
      { name: 'one', tensor: tensor('s64', [1n], []) },
      { name: 'axes', tensor: tensor('s64', [0n], [1]) },
      { name: 'first', tensor: tensor('s64', [0n], []) },
      { name: 'flat', tensor: tensor('s64', [-1n], [1]) },
    ],
    nodes: [
      { op: 'Shape', inputs: ['x'], outputs: ['s'] },
      { op: 'Gather', inputs: ['s', 'first'], outputs: ['n'] },
      { op: 'Equal', inputs: ['n', 'one'], outputs: ['single'] },
      {
        op: 'If',
        inputs: ['single'],
        outputs: ['some'],
        attrs: {
          then_branch: {
            g: {
              inputs: [],
              outputs: [{ name: 'a' }],
              nodes: [{ op: 'Squeeze', inputs: ['x', 'axes'], outputs: ['a'] }],
            },
          },
          else_branch: {
            g: { inputs: [], outputs: [{ name: 'b' }], nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['b'] }] },
          },
        },
      },
      { op: 'Reshape', inputs: ['some', 'flat'], outputs: ['y'] },
    ],
    opsets: { '': 17 },
  }),
};

test.each(Object.entries(withParts))('%s is compiled in the thread as well', async (name, bytes) => {
  const path = join(folder, `${name}.onnx`);
  writeFileSync(path, bytes);
  const here = await compile(path);
  const condition = { type: 'bool', data: Uint8Array.of(1), dims: [] } as const;
  const { y } = await here.run({ ...batch(2), ...(name === 'a branch' && { condition }) });
  const { certificate, strategies, inputs, outputs, backend, fallbacks } = here;
  const expected = { certificate, strategies, inputs, outputs, backend, fallbacks, y: [...y.data] };
  here.dispose();
  const [found, told] = run(`${ACCOUNT}
    const path = ${JSON.stringify(path)};
    const more = ${JSON.stringify(name === 'a branch')} && { condition: new Tensor('bool', Uint8Array.of(1), []) };
    const accounts = [];
    for (const source of [path, await importModel(path)]) accounts.push(await accountOf(await compile(source), more));
    ${show('accounts', 'answers.filter((kind) => kind === "made").length')}`) as [unknown[], number];
  for (const account of found) expect(account).toEqual(JSON.parse(JSON.stringify(expected)));
  // a graph that is read anew needs its file, which only this thread has
  expect(told).toBe(name.endsWith('settles') ? 1 : 2);
});

test('without proofs first, the certificate is proved when it is read', async () => {
  const [entries, selection] = run(`
    const { certificate } = await compile(file, { backends, strategy: 's32-shift' });
    ${show('certificate.entries', 'certificate.selection')}`) as { obligations: unknown[] }[][];
  const here = await compile(join(folder, 'model.onnx'), { backends: ['onednn'], strategy: 's32-shift' });
  expect(entries).toEqual(JSON.parse(JSON.stringify(here.certificate.entries)));
  expect(selection).toEqual(JSON.parse(JSON.stringify(here.certificate.selection)));
  here.dispose();
});

test('models at once share a thread, and proofs are told', () => {
  const [started, proofs, sums] = run(`
    let proofs = 0;
    const onProof = () => { proofs++; };
    const models = await Promise.all([1, 2, 3].map(() => compile(file, { backends, onProof })));
    const results = await Promise.all(models.map((model) => model.run({ x })));
    ${show('started', 'proofs', 'results.map(({ y }) => y.data.join())')}`) as [number, number, string[]];
  expect(started).toBe(1);
  expect(proofs).toBeGreaterThanOrEqual(3);
  expect(new Set(sums).size).toBe(1);
});

test('errors are those of the calling thread', async () => {
  const failed = async (path: string) => {
    try {
      await compile(join(folder, path), { backends: ['onednn'] });
    } catch (error) {
      return [true, (error as Error).name, (error as Error).message];
    }
    return undefined;
  };
  const paths = ['none.onnx', 'bad.onnx', 'opaque.onnx', '.'];
  const found = run(`const found = [];
    for (const path of ${JSON.stringify(paths.map((path) => join(folder, path)))}) found.push(await failed(() => compile(path, { backends })));
    found.push(await failed(() => compile(file, { backends, onProof() { throw new Error('enough'); } })));
    ${show('...found')}`) as unknown[];
  for (const [i, path] of paths.entries()) expect(found[i]).toEqual(await failed(path));
  expect(found.at(-1)).toEqual([false, 'Error', 'enough']);
});

test('where the system gives no thread, the caller compiles', () => {
  const [y] = run(`
    const { EventEmitter } = await import('node:events');
    threads.Worker = class extends EventEmitter {
      constructor() {
        super();
        setImmediate(() => this.emit('error', Object.assign(new Error('no thread'), { code: 'ERR_WORKER_INIT_FAILED' })));
      }
      postMessage() {}
      async terminate() {}
    };
    const model = await compile(file, { backends });
    const { y } = await model.run({ x });
    ${show('y.data.length')}`) as number[];
  expect(y).toBeGreaterThan(0);
});

const PROVED = `const proved = (model) => JSON.stringify([model.certificate.entries, model.certificate.selection]);`;

test('proofs read weights again whose memory a session has used up, and refuse another file', async () => {
  const heavy = join(folder, 'heavy.onnx');
  writeFileSync(heavy, wideNetwork());
  const [equal, message] = run(`${PROVED}
    const heavy = ${JSON.stringify(heavy)};
    const model = await compile(heavy, { backends });
    const others = await compile(readFileSync(heavy), { backends });
    const equal = proved(model).replaceAll(heavy, '') === proved(others);
    const later = await compile(heavy, { backends });
    const { utimesSync } = await import('node:fs');
    utimesSync(heavy, 1, 1);
    ${show('equal', '(await failed(async () => proved(later)))[2]')}`) as [boolean, string];
  expect(equal).toBe(true);
  expect(message).toContain('the file has changed since the model was compiled');
  // the same on the calling thread
  const model = await compile(heavy, { backends: ['onednn'] });
  const others = await compile(wideNetwork(), { backends: ['onednn'] });
  const { selection } = model.certificate;
  expect(selection?.length).toBeGreaterThan(0);
  expect(selection).toEqual(others.certificate.selection);
  model.dispose();
  others.dispose();
});

test('bytes are taken before compile returns, shared ones as well', () => {
  const results = run(`
    const bytes = readFileSync(file);
    const kept = new Uint8Array(bytes);
    const sums = async (model) => (await model.run({ x })).y.data.join();
    const expected = await sums(await compile(file, { backends }));
    const plain = new Uint8Array(kept);
    let promise = compile(plain, { backends });
    plain.fill(0);
    const found = [await sums(await promise) === expected];
    const handed = new Uint8Array(kept);
    promise = compile(handed, { backends });
    structuredClone(handed.buffer, { transfer: [handed.buffer] });
    found.push(await sums(await promise) === expected);
    const shared = new Uint8Array(new SharedArrayBuffer(kept.length));
    shared.set(kept);
    const model = await compile(shared, { backends });
    shared.fill(0);
    found.push(await sums(model) === expected, model.certificate.verdict);
    ${show('...found')}`);
  expect(results).toEqual([true, true, true, 'bit-exact']);
});

test('what is no data ends no thread and keeps no process: the caller says what is wrong', () => {
  const found = run(`
    const detached = new Uint8Array(8);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const found = [
      await failed(() => compile(detached, { backends })),
      await failed(() => compile(file, { backends, profile: () => 1 })),
      await failed(() => compile(file, { backends, target: { name: 'x', f() {} } })),
    ];
    const { y } = await (await compile(file, { backends })).run({ x });
    ${show('found.map((each) => each.slice(0, 2))', 'y.data.length > 0')}`);
  expect(found).toEqual([Array(3).fill([true, 'UnskewError']), true]);
});

test('a path is the one of the folder in which compile was called', () => {
  const [selection, gone] = run(`
    const { copyFileSync, unlinkSync } = await import('node:fs');
    copyFileSync(file, 'copy.onnx');
    const models = [await compile('copy.onnx', { backends })];
    const promise = compile('copy.onnx', { backends });
    process.chdir('/');
    models.push(await promise);
    const lengths = models.map((model) => model.certificate.selection.length);
    process.chdir(new URL('.', import.meta.url).pathname);
    const last = await compile('copy.onnx', { backends });
    unlinkSync('copy.onnx');
    ${show('lengths', 'await failed(async () => last.certificate.selection)')}`) as [number[], string[] | undefined];
  expect(selection[0]).toBeGreaterThan(0);
  expect(selection[1]).toBe(selection[0]);
  if (gone) expect(gone[2]).toContain('is not there any more');
});

test('where no thread is allowed, the caller compiles', () => {
  const path = join(folder, 'script.mjs');
  writeFileSync(
    path,
    `import { compile } from './index.js';
    const model = await compile(${JSON.stringify(join(folder, 'model.onnx'))}, { backend: 'reference' });
    console.log(model.inputs.length);`,
  );
  const flags = [
    '--experimental-permission',
    '--allow-fs-read=*',
    '--allow-fs-write=*',
    '--allow-addons',
    '--no-warnings',
  ];
  expect(
    execFileSync(process.execPath, [...flags, path], { encoding: 'utf8', cwd: folder, stdio: 'pipe' }).trim(),
  ).toBe('1');
});
