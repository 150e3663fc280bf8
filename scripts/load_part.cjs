// Loads the parts of the library: the files beside it in dist/parts. Node.js compiles a function when it is first called, and in a process
// that runs one model most functions are called once, so that compiling them takes longer than running them. `scripts/code_cache.mjs` keeps
// their code in build/code, in a folder for the version of Node.js; without it, or where it does not fit, parts are compiled as ever.
//
// A part is the text of a function of (exports, require, module, __filename, __dirname, __load, __loadInTurns).
// A file of the cache is 8 bytes, the CRC-32 of the part and of what follows, and the code: V8 itself does not look for damage.
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join } = require('node:path');
const { setImmediate } = require('node:timers/promises');
const { constants, Script } = require('node:vm');
const { crc32 } = require('node:zlib');

const CACHE = join(dirname(dirname(__dirname)), 'build/code', process.version);
const HEAD = 8;

/** By name: the module, as `require` keeps it. */
const modules = new Map();
/** By name: the script, and the checksum of its text. */
const scripts = new Map();

/** The code of a part, undefined where there is none that belongs to its text. */
function codeOf(name, checksum) {
  try {
    const file = readFileSync(join(CACHE, name));
    const code = file.subarray(HEAD);
    const fits = file.readUInt32LE(0) === checksum && file.readUInt32LE(4) === crc32(code);
    return fits ? code : undefined;
  } catch {
    return undefined;
  }
}

function compiled(name, filename) {
  const text = readFileSync(filename, 'latin1'); // bundles are ASCII
  const checksum = crc32(text);
  const script = new Script(text, {
    filename,
    cachedData: codeOf(name, checksum),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  scripts.set(name, { script, checksum });
  return script.runInThisContext();
}

/** What the part exports. It runs when it is first asked for. */
function load(name) {
  const known = modules.get(name);
  if (known !== undefined) return known.exports;
  const filename = join(__dirname, name);
  const module = { exports: {} };
  modules.set(name, module);
  try {
    compiled(name, filename)(module.exports, createRequire(filename), module, filename, __dirname, load, loadInTurns);
  } catch (error) {
    modules.delete(name);
    throw error;
  }
  return module.exports;
}

/** Loads files one by one, each behind those that it needs, with a turn of the event loop between them. @returns what `name` exports */
async function loadInTurns(names, name) {
  for (const each of names) {
    if (modules.has(each)) continue;
    load(each);
    // two: immediates run before the timers of the same round
    await setImmediate();
    await setImmediate();
  }
  return load(name);
}

/** Keeps the code of all functions that were called in this process. @returns the bytes of all files */
function keepCode() {
  mkdirSync(CACHE, { recursive: true });
  let bytes = 0;
  for (const [name, { script, checksum }] of scripts) {
    const code = script.createCachedData();
    const head = Buffer.alloc(HEAD);
    head.writeUInt32LE(checksum, 0);
    head.writeUInt32LE(crc32(code), 4);
    const file = join(CACHE, name);
    const written = `${file}.${process.pid}`;
    writeFileSync(written, Buffer.concat([head, code]));
    renameSync(written, file); // a process that starts now reads all of it, or the one before
    bytes += HEAD + code.length;
  }
  return bytes;
}

module.exports = { load, loadInTurns, keepCode };
