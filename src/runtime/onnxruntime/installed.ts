/** The package onnxruntime-node, where it is installed. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fail } from '../../diagnostics/index.ts';

const PACKAGE = 'onnxruntime-node';

/** The file of the package; undefined where it is not installed, beside this one or in the working folder. */
export function onnxruntimeFile(): string | undefined {
  for (const from of [import.meta.filename, join(process.cwd(), 'package.json')])
    try {
      return createRequire(from).resolve(PACKAGE);
    } catch {
      // the next place
    }
  return undefined;
}

/** The same. @throws UnskewError U5001 where the package is not installed */
export const installedFile = (): string =>
  onnxruntimeFile() ??
  fail('U5001', `the package ${PACKAGE} is not installed`, {}, `npm install ${PACKAGE} puts it there`);
