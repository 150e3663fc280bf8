/** The compiler does not depend on a platform: in a browser it makes the same file of a model as here, to the last byte. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';
import { expect, it } from 'vitest';
import { miniCorpus } from '../support/corpus.ts';
import { itUnless } from '../support/unless.ts';
import { answerOf, chromium } from './chromium.ts';
import { rewritten } from './page.ts';

const models = ['digits_a-qop-u8u8-pt', 'digits_a-qdq-u8u8-pt'].map((name) =>
  readFileSync(join(miniCorpus, 'nets/digits_a/onnx-ortquant', `${name}.onnx`)),
);

/** The page's module and all that it imports, at once or later, by the names of the files. */
async function bundled(): Promise<Readonly<Record<string, string>>> {
  const built = await build({
    configFile: false,
    logLevel: 'silent',
    define: { 'process.env.NODE_ENV': '"production"' },
    build: {
      write: false,
      minify: false,
      lib: { entry: join(import.meta.dirname, 'page.ts'), formats: ['es'], fileName: 'page' },
    },
  });
  type File = { readonly fileName: string; readonly code?: string };
  const [{ output }] = [built].flat() as { readonly output: readonly File[] }[];
  return Object.fromEntries(output.map(({ fileName, code = '' }) => [`/${fileName}`, code]));
}

it('imports nothing of Node.js', async () => {
  const files = await bundled();
  expect(Object.keys(files).length).toBeGreaterThan(1);
  for (const code of Object.values(files))
    expect(code.match(/vite-browser-external|(?:from|import|require)[\s(]*["']node:/)).toBeNull();
});

itUnless(
  chromium === undefined ? 'Chromium is not installed' : undefined,
  'Chromium rewrites a model as Node.js does',
  async () => {
    const script = `
      const send = (body) => fetch('/answer', { method: 'POST', body: JSON.stringify(body) });
      try {
        const { rewritten } = await import('/page.js');
        const bytes = [${models.map((_, i) => `'/${i}.onnx'`)}].map(async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer()));
        send({ found: await Promise.all(bytes.map(async (b) => rewritten(await b))) });
      } catch (error) {
        send({ error: String(error.stack) });
      }`;
    const files = Object.fromEntries(models.map((bytes, i) => [`/${i}.onnx`, bytes]));
    const { error, found } = JSON.parse(await answerOf(script, { ...(await bundled()), ...files }));
    expect(error).toBeUndefined();
    const expected = await Promise.all(models.map(rewritten));
    expect(found).toEqual(JSON.parse(JSON.stringify(expected)));
    expect(expected[0].text).toContain('nn.conv');
  },
);
