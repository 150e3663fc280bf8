// Bundles src/ into dist/: the entries index.js, testing/index.js and cli/main.js, and dist/parts, which they load when they need them.
// Beside them it writes an account of the sources of each file and of the files that it loads, and the licences of bundled packages.
// Usage: node scripts/bundle.mjs [FOLDER]
//
// Entries are ES modules. Parts are CommonJS: a synchronous function of the library can load no other kind when it is first called.
// `scripts/load_part.cjs` loads them, and is copied beside them.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { build, transform } from 'esbuild';

const ROOT = resolve(import.meta.dirname, '..');
const OUT = resolve(process.argv[2] ?? join(ROOT, 'dist'));
const source = (path) => join(ROOT, 'src', path);

const entries = ['index', 'testing/index', 'cli/main'];

/**
 * Functions of src/index.ts that load the code behind them when they are first called: the part, their door and their names. Others are
 * the part of the thread that compiles, and functions that another file calls seldom: the file is named behind them.
 */
const parts = {
  text: ['ir/index.ts', ['parse', 'print', 'verify', 'interpret']],
  legalize: ['codegen/index.ts', ['legalize']],
  export: ['exporters/index.ts', ['exportOnnx']],
  witness: ['proofs/index.ts', ['witnessFeeds']],
  import: ['runtime/index.ts', ['importModel']],
  compile: ['runtime/index.ts', ['compile']],
  feeds: ['runtime/index.ts', ['toFeeds']],
  compiler: ['runtime/index.ts', ['serveCompilations']],
  onnxruntime: ['exporters/index.ts', ['exportPart', 'hasOlderPart', 'partRefusal'], 'runtime/backends.ts'],
  carried: ['exporters/index.ts', ['carriedFileOf', 'originOfCarried'], 'runtime/elsewhere/sent.ts'],
  anew: ['importers/index.ts', ['importOnnx'], 'runtime/at_sizes.ts'],
  sent: ['runtime/elsewhere/sent.ts', ['sentGraph'], 'runtime/elsewhere/index.ts'],
  sized: ['runtime/compile_graph.ts', ['compiledAt'], 'runtime/elsewhere/made.ts'],
  certificate: ['passes/index.ts', ['certificateBy'], 'runtime/elsewhere/made.ts'],
  plan: ['codegen/onednn/plan.ts', ['planningOf'], 'codegen/onednn/index.ts'],
  accepts: ['codegen/onednn/accepts.ts', ['whyNotRecorded'], 'codegen/onednn/index.ts'],
  select: ['codegen/onednn/select/select.rules.ts', ['selectRules'], 'codegen/onednn/index.ts'],
  timing: ['codegen/onednn/time_plans.ts', ['timedKey', 'timesOf'], 'codegen/onednn/index.ts'],
  owes: ['codegen/onednn/owes.ts', ['owes'], 'codegen/onednn/target.ts'],
};

/**
 * One that returns a promise: its files are loaded one by one, while the event loop turns. `compile` is light, and sends the bytes that it is
 * given before it returns.
 */
const inTurns = new Set(['importModel']);

// ---- sources ----

/** The exports of a door (an index.ts) or another module: for each name the file that declares it, and its name there. */
const known = new Map();
function exportsOf(path) {
  const found = known.get(path) ?? new Map();
  if (known.has(path)) return found;
  known.set(path, found);
  const text = readFileSync(path, 'utf8');
  for (const [, name] of text.matchAll(/^export (?:async )?(?:const|function\*?|class) (\w+)/gm))
    found.set(name, { path, name });
  for (const [, names, from] of text.matchAll(/^export \{([^}]*)\} from '(\.[^']+)';$/gm))
    for (const { name, as } of namesIn(names)) found.set(as, placeOf(resolve(dirname(path), from), name));
  for (const [, from] of text.matchAll(/^export \* from '(\.[^']+)';$/gm))
    for (const [name, place] of exportsOf(resolve(dirname(path), from))) found.set(name, place);
  return found;
}

const placeOf = (path, name) => exportsOf(path).get(name) ?? { path, name };

/** `a, type B, c as d` without the types. */
const namesIn = (list) =>
  list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '' && !item.startsWith('type '))
    .map((item) => {
      const [name, as = name] = item.split(' as ');
      return { name, as };
    });

/** A stub stands in the place of a function whose part is loaded later. */
function origin(file, door, name) {
  const isOfPart = ([own, names, reader = 'index.ts']) =>
    file === source(reader) && source(own) === door && names.includes(name);
  const part = Object.keys(parts).find((part) => isOfPart(parts[part]));
  return part ? { path: `stub:${part}`, name } : placeOf(door, name);
}

/** An import goes past the door to the file that declares the name: a door leads to all of its room, and a part has what it uses. */
const pastDoor = (file, verb, names, door) =>
  namesIn(names)
    .map(({ name, as }) => {
      const place = origin(file, resolve(dirname(file), door), name);
      return `${verb} { ${place.name} as ${as} } from ${JSON.stringify(place.path)};`;
    })
    .join(' ');

const NAMED = /^(import|export) \{([^}]*)\} from '(\.[^']*\.ts)';$/gm;
const ofParts = new Set(Object.values(parts).map(([door]) => source(door)));
const isDoor = (path) => basename(path) === 'index.ts' || ofParts.has(path);

const sources = {
  name: 'sources',
  setup({ onResolve, onLoad }) {
    onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => ({
      loader: 'ts',
      contents: readFileSync(path, 'utf8').replace(NAMED, (line, verb, names, from) =>
        isDoor(resolve(dirname(path), from)) ? pastDoor(path, verb, names, from) : line,
      ),
    }));
    const make = (kind, contents) => {
      const sideEffects = kind === 'part';
      onResolve({ filter: new RegExp(`^${kind}:`) }, ({ path }) => ({
        path: path.slice(kind.length + 1),
        namespace: kind,
        sideEffects,
      }));
      onLoad({ filter: /./, namespace: kind }, ({ path }) => ({ contents: contents(path), resolveDir: ROOT }));
    };
    // Node.js's platform comes first, as in src/index.ts.
    make('part', (part) => {
      const [door, names] = parts[part];
      const exported = pastDoor(source(`${part}.ts`), 'export', names.join(','), `./${door}`);
      return `import ${JSON.stringify(source('runtime/node_platform.ts'))}; ${exported}`;
    });
    make('stub', (part) => {
      const call = (name) => `return __load("${part}.cjs").${name}(...given);`;
      const stub = (name) =>
        inTurns.has(name)
          ? `export async function ${name}(...given) { return (await __loadInTurns("${part}")).${name}(...given); }`
          : `export function ${name}(...given) { ${call(name)} }`;
      return parts[part][1].map(stub).join('\n');
    });
  },
};

/** protobufjs asks for optional packages by way of `eval`. It needs `long` for 64-bit integers, and Node.js's buffers. */
const inquire = {
  name: 'inquire',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@protobufjs\/inquire$/ }, ({ path }) => ({ path, namespace: 'inquire' }));
    onLoad({ filter: /./, namespace: 'inquire' }, () => ({
      contents: `const known = { long: () => require("long"), buffer: () => require("node:buffer") };
        module.exports = (name) => known[name]?.() ?? null;`,
      resolveDir: ROOT,
    }));
  },
};

// ---- bundles ----

const settings = { platform: 'node', target: 'node20.19', logLevel: 'warning' };

/** The digests of native/ and src/ as the library computes them: a bundle has them, and does not read hundreds of files. */
async function digestsOfSources() {
  const file = source('runtime/sources.ts');
  const { outputFiles } = await build({ ...settings, entryPoints: [file], bundle: true, format: 'esm', write: false });
  const code = Buffer.from(outputFiles[0].contents).toString('base64');
  const { addonDigest, plannerDigest } = await import(`data:text/javascript;base64,${code}`);
  const [addon, planner] = [addonDigest(`${ROOT}/`), plannerDigest(`${ROOT}/`)];
  return { BUNDLED_SOURCES: JSON.stringify(addon), BUNDLED_PLANNER: JSON.stringify(planner) };
}

const { outputFiles, metafile } = await build({
  ...settings,
  absWorkingDir: ROOT,
  entryPoints: Object.fromEntries([
    ...entries.map((name) => [name, source(`${name}.ts`)]),
    ...Object.keys(parts).map((name) => [`parts/${name}`, `part:${name}`]),
  ]),
  outdir: OUT,
  chunkNames: 'parts/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  metafile: true,
  write: false,
  legalComments: 'none', // LICENSES.txt has the whole licences
  external: ['fast-check', 'onnxruntime-node'],
  define: await digestsOfSources(),
  plugins: [sources, inquire],
});

/** By path: the text, the sources, whether others load it by its path, and what it loads with itself. */
const bundles = new Map(
  outputFiles.map(({ path, text }) => {
    const { entryPoint, imports, inputs } = metafile.outputs[relative(ROOT, path)];
    const own = imports.filter(({ external }) => !external);
    const targets = (isLater) =>
      own.filter(({ kind }) => (kind === 'dynamic-import') === isLater).map((one) => resolve(ROOT, one.path));
    return [
      path,
      { path, text, inputs, isRoot: entryPoint !== undefined, loads: targets(false), later: targets(true) },
    ];
  }),
);
const isEntry = (path) => entries.some((name) => path === join(OUT, `${name}.js`));

/** All that is loaded with a bundle, itself last. */
function closure(path, found = new Set()) {
  for (const next of bundles.get(path).loads) if (!found.has(next)) closure(next, found);
  return found.add(path);
}

// ---- files ----

const LOADER = 'parts/load_part.cjs';

const SMALL = 40_000;
const isShared = (path) => !bundles.get(path).isRoot && bundles.get(path).text.length < SMALL;

/**
 * The file of each bundle. Small ones that need the same large ones share a file, since the number of files costs time as well, where they
 * belong to the same entries and to the same ways to run a model. Bundles of a file follow each other as they load each other.
 */
const fileOf = new Map();
const members = new Map();
const isRunner = (path) => /^(make_model|ready_model|compiler)\b/.test(basename(path));
const groups = [...bundles.keys()].filter((path) => isEntry(path) || isRunner(path)).map((path) => closure(path));
for (const path of [...bundles.keys()].flatMap((root) => [...closure(root)])) {
  if (fileOf.has(path)) continue;
  const large = [...closure(path)].filter((other) => !isShared(other)).sort();
  const key = isShared(path) ? `shared ${groups.map((all) => all.has(path))} ${large}` : path;
  const first = members.get(key)?.[0] ?? path;
  members.set(key, [...(members.get(key) ?? []), path]);
  fileOf.set(path, isEntry(first) ? first : first.replace(/\.js$/, '.cjs'));
}
const memberName = (path) => basename(path, '.js').replace(/\W/g, '_');

/** The expression that loads a bundle. */
function required(from, path) {
  const target = resolve(dirname(from), path);
  const file = `__load(${JSON.stringify(basename(fileOf.get(target)))})`;
  return isShared(target) ? `${file}.${memberName(target)}` : file;
}

/** The expression for a promise of a bundle: the files that it needs are loaded one by one. */
function inTurnsOf(path) {
  const files = new Set([...closure(path)].map((each) => basename(fileOf.get(each))));
  const promise = `__loadInTurns(${JSON.stringify([...files])}, ${JSON.stringify(basename(fileOf.get(path)))})`;
  return isShared(path) ? `${promise}.then((file) => file.${memberName(path)})` : promise;
}

/** Names of other bundles are bound once, when they are loaded: a property of a module costs something at each use. */
const bound = (path, text) =>
  text
    .replace(/^import \{([^}]*)\} from "(\.[^"]+)";$/gm, (_, names, target) => {
      return `const {${names.replace(/(\S+) as (\S+)/g, '$1: $2')}} = ${required(path, target)};`;
    })
    .replace(/^import "(\.[^"]+)";$/gm, (_, target) => `${required(path, target)};`)
    .replace(/\b__loadInTurns\("(\w+)"\)/g, (_, part) => inTurnsOf(join(OUT, `parts/${part}.js`)))
    .replace(/\bimport\("(\.[^"]+)"\)/g, (_, target) => inTurnsOf(resolve(dirname(path), target)));

/** What an entry needs to load parts. */
const headOfEntry = (path) => `import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
const { load: __load, loadInTurns: __loadInTurns } = require("${relative(dirname(path), join(OUT, LOADER)).replace(/^(?!\.)/, './')}");
`;

/** Names stay and lines are short, so that stacks of internal errors can be read. */
async function written({ path, text }) {
  const shebang = text.match(/^#!.*\n/)?.[0] ?? '';
  const asEntry = isEntry(path);
  const code = bound(path, text.slice(shebang.length));
  const minified = await transform(asEntry ? `${headOfEntry(path)}${code}` : code, {
    ...settings,
    format: asEntry ? 'esm' : 'cjs',
    minifySyntax: true,
    minifyWhitespace: true,
    treeShaking: true,
    lineLimit: 160,
    ...(!asEntry && { define: { 'import.meta.dirname': '__dirname', 'import.meta.filename': '__filename' } }),
  });
  return shebang + minified.code;
}

/** A part as a file: a function, so that the text that is read is the text that runs, without a copy. */
const asPart = (code) =>
  `(function (exports, require, module, __filename, __dirname, __load, __loadInTurns) {${code}\n})`;

const asMember = (path, code) =>
  `((file, module) => {\n${code}file.${memberName(path)} = module.exports;\n})(exports, { exports: {} });\n`;

/** The licences of the packages whose code is in the bundles. */
function licences() {
  const folders = new Set(
    Object.keys(metafile.inputs).flatMap((path) => path.match(/^node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0] ?? []),
  );
  return [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'));
    const file = readdirSync(join(ROOT, folder)).find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`${folder} has no file with its licence`);
    return `${name} ${version} (${license})\n\n${readFileSync(join(ROOT, folder, file), 'utf8').trim()}\n`;
  });
}

rmSync(join(OUT, 'parts'), { recursive: true, force: true });
mkdirSync(join(OUT, 'parts'), { recursive: true });
copyFileSync(join(import.meta.dirname, 'load_part.cjs'), join(OUT, LOADER));
const account = {};
for (const group of members.values()) {
  const file = fileOf.get(group[0]);
  let code = '';
  for (const path of group) {
    const own = await written(bundles.get(path));
    code += isShared(path) ? asMember(path, own) : own;
  }
  const text = group.some(isEntry) ? code : asPart(code);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
  const shown = (name) =>
    [...new Set(group.flatMap((path) => bundles.get(path)[name].map((to) => fileOf.get(to))))]
      .filter((to) => to !== file)
      .map((to) => relative(OUT, to));
  account[relative(OUT, file)] = {
    bytes: text.length,
    loads: shown('loads'),
    later: shown('later'),
    sources: group.flatMap((path) => Object.keys(bundles.get(path).inputs)),
  };
}
const title = 'unskew contains code of these packages, under their licences.\n';
writeFileSync(join(OUT, 'LICENSES.txt'), [title, ...licences()].join(`\n${'-'.repeat(80)}\n\n`));
writeFileSync(join(OUT, 'bundle.json'), JSON.stringify(account, undefined, 1));
