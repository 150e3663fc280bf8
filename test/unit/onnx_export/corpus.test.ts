/** export(import(bytes)) equals bytes, for every ONNX file of the corpus. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { externalReader } from '../../../src/runtime/external_data.ts';
import { describeCorpus, many } from '../../support/corpus.ts';

describeCorpus('a graph that no pass touched', (root) => {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.onnx'));

  it(`is exported as it was imported, byte for byte (${files.length} files)`, () => {
    expect(files.length).toBeGreaterThanOrEqual(many(100));
    const different = files.filter((file) => {
      const path = join(root, file);
      const bytes = readFileSync(path);
      const graph = importOnnx(bytes, { file: path, readExternal: externalReader(path) });
      return !bytes.equals(exportOnnx(graph));
    });
    expect(different).toEqual([]);
  });
});
