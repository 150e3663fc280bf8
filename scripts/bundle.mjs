// Bundles src/ into dist/: the entries index.js, testing/index.js and cli/main.js, and dist/parts, which they load when they need them.
// Beside them it writes esbuild's account of the source of each file, into the folder build, and the licences of bundled packages.
// Usage: node scripts/bundle.mjs [FOLDER]
//
// Entries are ES modules. Parts are CommonJS: a synchronous function of the library can load no other kind when it is first called.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { build, transform } from 'esbuild';

const ROOT = resolve(import.meta.dirname, '..');
const OUT = resolve(process.argv[2] ?? join(ROOT, 'dist'));
const source = (path) => join(ROOT, 'src', path);

const entries = ['index', 'testing/index', 'cli/main'];

/** Functions of src/index.ts that load the code behind them when they are first called: the part, their door and their names. */
const parts = {
  text: ['ir/index.ts', ['parse', 'print', 'verify', 'interpret']],
  legalize: ['codegen/index.ts', ['legalize']],
  export: ['exporters/index.ts', ['exportOnnx']],
  witness: ['proofs/index.ts', ['witnessFeeds']],
  import: ['runtime/index.ts', ['importModel']],
  compile: ['runtime/index.ts', ['compile']],
  feeds: ['runtime/index.ts', ['toFeeds']],
};

/** The doors of rooms of which parts use little; the other rooms are bundled as a whole, which makes fewer files to load. */
const OPEN_ROOMS = /^(codegen|runtime|importers|exporters|formats\/\w+)\//;

/** Files of a door (an index.ts) by the names that it passes on: the file, and the name there. */
const doors = new Map();
function behind(door) {
  const known = doors.get(door);
  if (known !== undefined) return known;
  const found = new Map();
  doors.set(door, found);
  for (const [, names, path] of readFileSync(door, 'utf8').matchAll(/^export \{([^}]*)\} from '(\.[^']+)';$/gm))
    for (const { name, as } of namesIn(names)) found.set(as, placeOf(resolve(dirname(door), path), name));
  for (const [, path] of readFileSync(door, 'utf8').matchAll(/^export \* from '(\.[^']+)';$/gm))
    for (const [name, place] of behind(resolve(dirname(door), path))) found.set(name, place);
  return found;
}

const placeOf = (path, name) => (path.endsWith('/index.ts') ? behind(path).get(name) : undefined) ?? { path, name };

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

/** The import or export with each name taken from the file that has it, or from a stub in the place of the function. */
function pastDoor(file, statement, verb, names, path) {
  const door = resolve(dirname(file), path);
  const from = relative(source('.'), door);
  const isLibrary = file === source('index.ts');
  if (!isLibrary && !OPEN_ROOMS.test(from)) return statement;
  return namesIn(names)
    .map(({ name, as }) => {
      const part =
        isLibrary && Object.keys(parts).find((part) => parts[part][0] === from && parts[part][1].includes(name));
      const place = OPEN_ROOMS.test(from) ? placeOf(door, name) : { path: door, name };
      return part
        ? `${verb} { ${name} as ${as} } from "stub:${part}";`
        : `${verb} { ${place.name} as ${as} } from ${JSON.stringify(place.path)};`;
    })
    .join(' ');
}

const DOOR = /^(import|export) \{([^}]*)\} from '(\.[^']*\/index\.ts)';$/gm;

const pastDoors = {
  name: 'past doors',
  setup({ onResolve, onLoad }) {
    onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => ({
      loader: 'ts',
      contents: readFileSync(path, 'utf8').replace(DOOR, (...match) => pastDoor(path, ...match)),
    }));
    const made = (namespace, contents) => {
      onResolve({ filter: new RegExp(`^${namespace}:`) }, ({ path }) => ({
        path: path.slice(namespace.length + 1),
        namespace,
        sideEffects: namespace === 'part',
      }));
      onLoad({ filter: /.*/, namespace }, ({ path }) => ({
        contents: contents(...parts[path], path),
        resolveDir: ROOT,
      }));
    };
    // Node.js's platform comes first, as in src/index.ts
    made('part', (door, names) =>
      [
        `import ${JSON.stringify(source('runtime/node_platform.ts'))};`,
        ...names.map(
          (name) =>
            pastDoor(source('part.ts'), '', 'export', name, `./${door}`) ||
            `export { ${name} } from ${JSON.stringify(source(door))};`,
        ),
      ].join('\n'),
    );
    made('stub', (_, names, part) =>
      names
        .map((name) => `export function ${name}(...given) { return loadPart("${part}").${name}(...given); }`)
        .join('\n'),
    );
  },
};

/** protobufjs asks for optional packages by way of `eval`. It needs `long` for 64-bit integers, and Node.js's buffers. */
const inquire = {
  name: 'inquire',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@protobufjs\/inquire$/ }, ({ path }) => ({ path, namespace: 'inquire' }));
    onLoad({ filter: /.*/, namespace: 'inquire' }, () => ({
      contents: `const known = { long: () => require("long"), buffer: () => require("node:buffer"), fs: () => require("node:fs") };
        module.exports = (name) => known[name]?.() ?? null;`,
      resolveDir: ROOT,
    }));
  },
};

const settings = { platform: 'node', target: 'node20.19', logLevel: 'warning' };

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
  plugins: [pastDoors, inquire],
});

const isEntry = (path) => entries.some((name) => path === join(OUT, `${name}.js`));
const cjs = (path) => path.replace(/\.js$/, '.cjs');

/** Names of other parts are bound once, when they are loaded: a property of a module costs something at each use. */
function bound(code) {
  return code
    .replace(/^import \{([^}]*)\} from "(\.[^"]+)";$/gm, (_, names, path) => {
      const own = names.replace(/(\S+) as (\S+)/g, '$1: $2');
      return `const {${own}} = require("${cjs(path)}");`;
    })
    .replace(/^import "(\.[^"]+)";$/gm, (_, path) => `require("${cjs(path)}");`)
    .replace(/\bimport\("(\.[^"]+)"\)/g, (_, path) => `Promise.resolve().then(() => require("${cjs(path)}"))`);
}

/** What an entry needs to load parts; stubs call `loadPart`. */
const headOfEntry = `import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
const loadPart = (name) => require("./parts/" + name + ".cjs");
`;

/** Names stay and lines are short, so that stacks of internal errors can be read. */
async function written(path, text) {
  const shebang = text.match(/^#!.*\n/)?.[0] ?? '';
  const code = bound(text.slice(shebang.length));
  const asEntry = isEntry(path);
  const minified = await transform(asEntry ? `${headOfEntry}${code}` : code, {
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
for (const { path, text } of outputFiles) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(isEntry(path) ? path : cjs(path), await written(path, text), {
    mode: path.endsWith('main.js') ? 0o755 : 0o644,
  });
}
const title = 'unskew contains code of these packages, under their licences.\n';
writeFileSync(join(OUT, 'LICENSES.txt'), [title, ...licences()].join(`\n${'-'.repeat(80)}\n\n`));
mkdirSync(join(ROOT, 'build'), { recursive: true });
writeFileSync(join(ROOT, 'build/bundle.json'), JSON.stringify(metafile));
