// Asks whether what comments and documents name exists: files, and in code the words that comments have in backticks or spell like code.
// Usage: node scripts/comments.mjs [ROOT]; exit code 1 where something does not.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(process.argv[2] ?? join(import.meta.dirname, '..'));
const SOURCES = /^(src|native|test|bench|examples|scripts)\/.*\.(ts|mts|mjs|cc|cpp|h|hpp)$/;
/** A comment, or a string in which none begins. */
const PART = /('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;
const URL = /https?:\/\/\S+/g;
const FILE = /<?[\w./*>-]*\w\.(?:ts|mts|mjs|md|cc|cpp|hpp|h|cmake|py|sh|fbs|json)\b(?!\.\w)>?/g;
const QUOTED = /`([^`]+)`/g;
/** Nothing but code is spelled so. */
const CAMEL = /\b[a-z]{2,}[A-Z]\w*\b/g;
const WORD = /[A-Za-z_]\w*/g;

/** Files of other projects are named by their path there, and system headers in angle brackets. */
const ELSEWHERE = /^(torch|torchao|c10|node_modules)\/|[<*{…]/;
/** Names of other projects and of models. */
const FOREIGN = new Set(
  `__getstate__ _save_for_lite_interpreter _weights_config optimize_for_mobile suggest_memory_format FloatStorage sympy srepr
   ABcd4b16a4b brgconv avx512_core_vnni avx512_core_amx_int8 metadata_props as_graph op_ index_put_ scatter_
   transpose_ unsqueeze_ bhid bhjd bhij acos features net output_key typecheck NETWORK NODES VALUE COUNT cf`.split(
    /\s+/,
  ),
);

const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' })
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(ROOT, file)));
/** Files that a page makes step by step, in blocks that begin with three backticks, `ts` and a path. */
const taught = files
  .filter((path) => path.endsWith('.md'))
  .flatMap((path) =>
    Array.from(readFileSync(join(ROOT, path), 'utf8').matchAll(/^```ts (src\/\S+)$/gm), ([, made]) => made),
  );
const ends = new Set(
  [...files, ...taught].flatMap((file) => file.split('/').map((_, i, parts) => parts.slice(i).join('/'))),
);

const [words, comments] = [new Set(), []];
for (const file of files.filter((path) => SOURCES.test(path))) {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const code = text.replace(PART, (part, string, at) => {
    if (string !== undefined) return part;
    comments.push({ file, line: text.slice(0, at).split('\n').length, text: part.replace(URL, '') });
    return ' ';
  });
  for (const [word] of code.matchAll(WORD)) words.add(word);
}

/** Commands in documents also name files of the reader's: those have other endings. */
const OURS = /\.(ts|mts|mjs|md|cc|cpp|hpp|h|cmake)$/;
const texts = files
  .filter((path) => path.endsWith('.md'))
  .flatMap((file) =>
    readFileSync(join(ROOT, file), 'utf8')
      .split('\n')
      .map((text, i) => ({ file, line: i + 1, text: text.replace(URL, '') })),
  );

const faults = [];
for (const { file, line, text } of [...comments, ...texts])
  for (const [name] of text.matchAll(FILE))
    if (
      !ELSEWHERE.test(name) &&
      !ends.has(name.replace(/^(\.?\.?\/)+/, '')) &&
      (!file.endsWith('.md') || OURS.test(name))
    )
      faults.push(`${file}:${line}  the file ${name} does not exist`);
for (const { file, line, text } of comments) {
  for (const [word] of text.replace(QUOTED, '').matchAll(CAMEL))
    if (!words.has(word) && !text.includes('biome-ignore'))
      faults.push(`${file}:${line}  ${word} does not occur in code`);
  // `gemm_*` and `make_…` stand for many names
  for (const [, quoted] of text.matchAll(QUOTED))
    if (!/[*…]/.test(quoted))
      for (const [word] of quoted.replace(FILE, '').matchAll(WORD))
        if (!words.has(word) && !FOREIGN.has(word))
          faults.push(`${file}:${line}  ${word} does not occur in code: \`${quoted}\``);
}
for (const fault of faults) console.log(fault);
console.log(
  `${comments.length} comments and ${new Set(texts.map(({ file }) => file)).size} documents checked, ${faults.length} name something that does not exist`,
);
process.exitCode = faults.length > 0 ? 1 : 0;
