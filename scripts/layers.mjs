// The layering check: who may import whom in src/. Usage: node scripts/layers.mjs [ROOT]; exit code 1 on a violation.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const ROOT = resolve(process.argv[2] ?? join(import.meta.dirname, '..'));

const BASE = ['platform', 'diagnostics', 'tensors', 'numerics', 'ir'];
const FORMATS = ['formats/onnx', 'formats/torch', 'formats/tflite', 'formats/other'];
/** One row per layer: the files it is made of, and the layers it sees besides itself. */
const LAYERS = {
  platform: { files: /^src\/platform\//, sees: [] },
  diagnostics: { files: /^src\/diagnostics\//, sees: [] },
  tensors: { files: /^src\/tensors\//, sees: ['diagnostics'] },
  numerics: { files: /^src\/numerics\//, sees: ['diagnostics', 'tensors'] },
  ir: { files: /^src\/ir\//, sees: ['platform', 'diagnostics', 'tensors', 'numerics'] },
  // The checker is given two graphs and sees nothing of the passes whose work it judges.
  proofs: { files: /^src\/proofs\//, sees: BASE },
  passes: { files: /^src\/passes\//, sees: [...BASE, 'proofs'] },
  // Bytes and records, without a meaning.
  'formats/other': { files: /^src\/formats\/other\//, sees: ['diagnostics'] },
  'formats/onnx': { files: /^src\/formats\/onnx\//, sees: ['diagnostics', 'tensors', 'formats/other'] },
  'formats/torch': { files: /^src\/formats\/torch\//, sees: ['platform', 'diagnostics', 'tensors'] },
  'formats/tflite': { files: /^src\/formats\/tflite\//, sees: ['diagnostics'] },
  importers: { files: /^src\/importers\//, sees: [...BASE, ...FORMATS] },
  // An exporter asks where values came from, which importers say.
  exporters: { files: /^src\/exporters\//, sees: [...BASE, ...FORMATS, 'importers'] },
  codegen: { files: /^src\/codegen\//, sees: [...BASE, 'proofs', 'passes'] },
  // compile() takes a path or bytes, so the runtime sees the importers; parts for ONNX Runtime are files, so it sees the exporters.
  runtime: {
    files: /^src\/runtime\//,
    sees: [...BASE, ...FORMATS, 'proofs', 'passes', 'importers', 'exporters', 'codegen'],
  },
  testing: {
    files: /^src\/testing\//,
    sees: [...BASE, ...FORMATS, 'proofs', 'passes', 'importers', 'exporters', 'codegen', 'runtime'],
  },
  index: {
    files: /^src\/index\.ts$/,
    sees: [...BASE, ...FORMATS, 'proofs', 'passes', 'importers', 'exporters', 'codegen', 'runtime'],
  },
  cli: {
    files: /^src\/cli\//,
    sees: [...BASE, ...FORMATS, 'proofs', 'passes', 'importers', 'exporters', 'codegen', 'runtime', 'index'],
  },
};

/** Packages that only some folders may import, by what their names begin with. Without Node.js the compiler runs in a browser. */
const PACKAGES = {
  'onnx-proto': /^src\/formats\/onnx\//,
  protobufjs: /^src\/formats\/onnx\//,
  flatbuffers: /^src\/formats\/tflite\//,
  'node:': /^src\/(runtime|cli)\//,
  yauzl: /^src\/runtime\//,
};

/** What may be imported besides the index.ts of a room: the platform, by the kit, without all of the runtime. */
const DOORS = /^src\/(index|runtime\/node_platform)\.ts$/;

const MAX_LINES = 400;

function* filesUnder(folder, ending) {
  let entries = [];
  try {
    entries = readdirSync(join(ROOT, folder), { withFileTypes: true });
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  for (const entry of entries) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* filesUnder(path, ending);
    else if (ending.test(entry.name)) yield path;
  }
}

/** Source with comments blanked out, every other character in its place. Strings are matched so that // inside survives. */
const withoutComments = (source) =>
  source.replace(/'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (text) =>
    text[0] === '/' ? text.replace(/[^\n]/g, ' ') : text,
  );

// `import x from 'y'`, `export … from 'y'`, `import 'y'`, `import('y')`, each with or without `type`: who reads a file reads types too.
const IMPORT = /\b(?:import|export)\b(?:\s+type\b)?(?:[\w\s{},*$]*?\bfrom)?\s*\(?\s*(['"])(?<target>[^'"\n]+)\1/g;

/** What Node.js has without any import; `globalThis.process?.` asks whether it is there. */
const OF_NODE = /(?<!\.)\b(process|Buffer)\.\w+/g;

function importsOf(file, source) {
  return Array.from(source.matchAll(IMPORT), ({ index, groups }) => {
    const local = groups.target.startsWith('.');
    return {
      line: source.slice(0, index).split('\n').length,
      target: groups.target,
      file: local ? relative(ROOT, resolve(ROOT, dirname(file), groups.target)) : undefined,
      package: local ? undefined : groups.target.match(/^(@[^/]+\/)?[^/]+/)[0],
    };
  });
}

const layerOf = (file) => Object.keys(LAYERS).find((name) => LAYERS[name].files.test(file));

/** Why `file` may not contain `found`, or undefined. */
function objection(file, found) {
  if (found.package !== undefined) {
    const name = Object.keys(PACKAGES).find((beginning) => found.package.startsWith(beginning));
    const home = PACKAGES[name];
    return home === undefined || home.test(file) ? undefined : `${name} only in ${home.source.replace(/[\\^]/g, '')}`;
  }
  if (!found.file.startsWith('src/')) return 'src imports nothing outside src';
  const [from, to] = [layerOf(file), layerOf(found.file)];
  if (to === undefined) return `no layer is declared for ${found.file}`;
  if (from === to) return undefined;
  if (!LAYERS[from].sees.includes(to)) return `${from} does not see ${to}`;
  return found.file === `src/${to}/index.ts` || DOORS.test(found.file)
    ? undefined
    : `the door of ${to} is src/${to}/index.ts`;
}

/** Cycles by depth-first search, one per back edge: the files in order, the first one repeated at the end. */
function findCycles(graph) {
  const [cycles, done, path] = [[], new Set(), []];
  const visit = (file) => {
    const start = path.indexOf(file);
    if (start >= 0) return cycles.push([...path.slice(start), file]);
    if (done.has(file)) return;
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return cycles;
}

/** The same between folders; a folder and what is inside of it are one. */
function foldersOf(graph) {
  const folders = new Map();
  for (const [file, targets] of graph) {
    const from = dirname(file);
    const others = targets
      .map((target) => dirname(target))
      .filter((to) => to !== from && !to.startsWith(`${from}/`) && !from.startsWith(`${to}/`));
    folders.set(from, [...(folders.get(from) ?? []), ...others]);
  }
  return folders;
}

function printTable(title, rows) {
  if (rows.length === 0) return;
  const width = Math.max(...rows.map(([first]) => first.length));
  console.log(title);
  for (const [first, second] of rows) console.log(`  ${first.padEnd(width)}  ${second}`);
}

const files = [...filesUnder('src', /\.ts$/)].sort();
const [violations, graph] = [[], new Map()];
for (const file of files) {
  const source = withoutComments(readFileSync(join(ROOT, file), 'utf8'));
  if (!PACKAGES['node:'].test(file))
    for (const [found] of source.matchAll(OF_NODE)) violations.push([file, `${found} is Node.js's`]);
  const imports = importsOf(file, source);
  if (layerOf(file) === undefined) violations.push([file, 'no layer is declared for this file']);
  else
    for (const found of imports) {
      const why = objection(file, found);
      if (why !== undefined) violations.push([`${file}:${found.line}`, `imports ${found.target}: ${why}`]);
    }
  graph.set(
    file,
    imports.filter((found) => found.file !== undefined).map((found) => found.file),
  );
}
for (const cycle of [...findCycles(graph), ...findCycles(foldersOf(graph))])
  violations.push([cycle[0], `import cycle: ${cycle.join(' -> ')}`]);

const long = [...files, ...filesUnder('native', /\.(cpp|cc|c|hpp|h)$/)]
  .map((file) => [file, readFileSync(join(ROOT, file), 'utf8').split('\n').length - 1])
  .filter(([, lines]) => lines > MAX_LINES)
  .map(([file, lines]) => [file, `${lines} lines`]);

printTable('Layering violations:', violations);
printTable(`Warning, over ${MAX_LINES} lines:`, long);
console.log(`${files.length} files checked, ${violations.length} violations`);
process.exitCode = violations.length > 0 ? 1 : 0;
