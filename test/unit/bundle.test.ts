/** The bundles of scripts/bundle.mjs: what each of them loads at once, and that they work together. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as library from '../../src/index.ts';

const repository = resolve(import.meta.dirname, '../..');
/** Inside of the repository, as the code looks for its package.json in the folders above. */
const folder = mkdtempSync(join(repository, 'node_modules/.bundle-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Bundle {
  readonly bytes: number;
  readonly loads: readonly string[];
  readonly later: readonly string[];
  readonly sources: readonly string[];
}
let bundles: Readonly<Record<string, Bundle>>;

beforeAll(() => {
  execFileSync(process.execPath, [join(repository, 'scripts/bundle.mjs'), folder], { stdio: 'pipe' });
  bundles = JSON.parse(readFileSync(join(folder, 'bundle.json'), 'utf8'));
}, 120_000);

/** All that is loaded with a file. */
function loadedWith(name: string): { readonly bytes: number; readonly sources: readonly string[] } {
  const files = new Set([name]);
  for (const file of files) for (const next of bundles[file].loads) files.add(next);
  const all = [...files].map((file) => bundles[file]);
  return { bytes: all.reduce((sum, { bytes }) => sum + bytes, 0), sources: all.flatMap(({ sources }) => sources) };
}

/** Rooms and packages, but for modules that are said to be light. */
const roomsOf = (sources: readonly string[]): string[] =>
  [...new Set(sources.flatMap((path) => path.match(/^(src\/\w+|node_modules\/[^/]+)\//)?.[1] ?? []))].sort();

const importers = ['onnx', 'tflite', 'torch'] as const;
const importerCode = (name: string): string => `src/importers/${name}/import.ts`;

describe('what is loaded at once', () => {
  test('by the library: tensors and errors', () => {
    const { bytes, sources } = loadedWith('index.js');
    expect(roomsOf(sources)).toEqual(['src/diagnostics', 'src/tensors']);
    expect(bytes).toBeLessThan(20_000);
  });

  test('by the command line: declarations of commands, without packages, operators and importers', () => {
    const { bytes, sources } = loadedWith('cli/main.js');
    expect(
      sources.filter((path) =>
        /^(node_modules|src\/(ir\/(?!types\.ts)|passes\/rules|proofs|exporters|cli\/work))/.test(path),
      ),
    ).toEqual([]);
    expect(sources.filter((path) => importers.some((name) => path === importerCode(name)))).toEqual([]);
    expect(bytes).toBeLessThan(95_000);
  });

  test.each(['import', 'compile', 'legalize', 'text', 'export', 'witness', 'feeds'])(
    'by the part %s: no importer of files',
    (part) => {
      const { sources } = loadedWith(`parts/${part}.cjs`);
      for (const name of importers) expect(sources).not.toContain(importerCode(name));
      expect(sources).toContain('src/runtime/node_platform.ts');
    },
  );

  test('parts of text and proofs know nothing of packages, kernels and formats', () => {
    for (const part of ['text', 'witness', 'feeds']) {
      const heavy = /^(node_modules\/|src\/(importers\/\w+\/ops|exporters|codegen\/onednn\/lower)\/)/;
      expect(loadedWith(`parts/${part}.cjs`).sources.filter((path) => heavy.test(path))).toEqual([]);
    }
  });

  describe('to run a model', () => {
    /** A part that only `import` loads: its name has a digest. */
    const partOf = (name: string): string =>
      Object.keys(bundles).find((file) => file.startsWith(`parts/${name}-`)) ?? expect.fail(`there is no part ${name}`);
    const compilers =
      /^(node_modules\/|src\/(exporters|importers\/\w+\/ops|passes\/(rules|qdq|corrections)|codegen\/onednn\/select)\/)/;

    test('before another thread compiles: what starts it', () => {
      const { bytes, sources } = loadedWith('parts/compile.cjs');
      expect(
        sources.filter((path) => /^(node_modules|src\/(ir\/ops|passes\/rules|codegen\/onednn\/lower))\//.test(path)),
      ).toEqual([]);
      expect(bytes).toBeLessThan(115_000);
    });

    test('by the thread of the caller, where another one compiles: what plans and runs', () => {
      const { bytes, sources } = loadedWith(partOf('make_model'));
      expect(sources.filter((path) => compilers.test(path))).toEqual([]);
      expect(bytes).toBeLessThan(540_000);
    });

    test('of a compiled file: what runs', () => {
      const { bytes, sources } = loadedWith(partOf('ready_model'));
      const planners = /^src\/(proofs\/(?!fused\.ts)|codegen\/onednn\/lower\/)/;
      expect(sources.filter((path) => compilers.test(path) || planners.test(path))).toEqual([]);
      expect(bytes).toBeLessThan(530_000);
    });

    test('by the thread that compiles: neither exporters nor importers', () => {
      const heavy = /^(node_modules\/(?!immer\/)|src\/(exporters|importers\/\w+\/ops)\/)/;
      expect(loadedWith('parts/compiler.cjs').sources.filter((path) => heavy.test(path))).toEqual([]);
    });
  });

  test('onnx-proto and protobufjs come with files of ONNX, flatbuffers with those of TensorFlow Lite, yauzl with archives', () => {
    const withPackage = (name: string): string[] =>
      Object.keys(bundles).filter((file) => roomsOf(loadedWith(file).sources).includes(`node_modules/${name}`));
    for (const name of ['flatbuffers', 'yauzl']) expect(withPackage(name)).toHaveLength(1);
    expect(withPackage('onnx-proto')).toContain('parts/export.cjs');
  });
});

test('every source that is bundled is in one file', () => {
  const seen = Object.values(bundles).flatMap(({ sources }) => sources.filter((path) => path.startsWith('src/')));
  expect(seen.length).toBe(new Set(seen).size);
});

test('no line is so long that a stack cannot be shown', () => {
  const lines = Object.keys(bundles).flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n'));
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(4000);
});

test('the licences of bundled packages lie beside them', () => {
  const text = readFileSync(join(folder, 'LICENSES.txt'), 'utf8');
  for (const name of roomsOf(Object.values(bundles).flatMap(({ sources }) => sources)))
    if (name.startsWith('node_modules/') && !name.includes('@'))
      expect(text).toContain(`\n${name.slice('node_modules/'.length)} `);
  expect(text).toMatch(/Copyright.*\n[\s\S]*Permission is hereby granted/);
});

describe('bundles at work', () => {
  const run = (script: string): string => {
    writeFileSync(join(folder, 'script.mjs'), script);
    return execFileSync(process.execPath, [join(folder, 'script.mjs')], { encoding: 'utf8' });
  };

  test('the library exports the same as its source', () => {
    const names = run("console.log(JSON.stringify(Object.keys(await import('./index.js'))))");
    expect(JSON.parse(names).sort()).toEqual(Object.keys(library).sort());
  });

  test('text, passes, the interpreter, a back end, the exporter and the importer share their classes', () => {
    const output = run(`
      import { compile, exportOnnx, importModel, interpret, legalize, parse, print, Tensor, UnskewError, verify } from './index.js';
      import { checkRule } from './testing/index.js';
      const graph = parse(\`graph @main(%x: u8[1,1,2,2], %w: s8[1,1,1,1]) -> (%y) {
        %c = qnn.conv(%x, %w, 3:u8) {strides=[1,1], dilations=[1,1], group=1, pads=[0,0,0,0]} : s32[1,1,2,2]
        %y = nn.relu(%c) : s32[1,1,2,2]
      }\`);
      verify(parse(print(graph)));
      const x = new Tensor('uint8', Uint8Array.of(3, 4, 5, 6), [1, 1, 2, 2]);
      const w = new Tensor('int8', Int8Array.of(2), [1, 1, 1, 1]);
      const { graph: legal } = legalize(graph);
      const read = await importModel(exportOnnx(legal));
      const results = [graph, legal, read].map((each) => interpret(each, { x, w }));
      const model = await compile(read, { backend: 'reference' });
      for (const { y } of [...await Promise.all(results), await model.run({ x, w })]) console.log(y instanceof Tensor, y.data.join());
      for (const bad of [() => parse('graph'), () => importModel(Uint8Array.of(1)), () => importModel(Uint8Array.of(80, 75, 3, 4)), () => compile('none.onnx')])
        try { await bad(); } catch (error) { console.log(error instanceof UnskewError, error.name); }
      console.log(typeof checkRule);
    `);
    expect(output.trim().split('\n')).toEqual([
      ...Array(4).fill('true 0,2,4,6'),
      ...Array(4).fill('true UnskewError'),
      'function',
    ]);
  });

  test('every command has its help, and its work', () => {
    const unskew = (...args: string[]): string =>
      execFileSync(process.execPath, [join(folder, 'cli/main.js'), ...args], { encoding: 'utf8' });
    const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
    expect(unskew('--version').trim()).toBe(version);
    const names = [...unskew('--help').matchAll(/^ {2}(\w+) {2,}\w/gm)].map(([, name]) => name);
    expect(names).toContain('compile');
    for (const file of Object.keys(bundles).filter((file) => bundles['cli/main.js'].later.includes(file)))
      expect(existsSync(join(folder, file))).toBe(true);
    expect(unskew('compile', '--help')).toContain('--output FILE');
  });
});
