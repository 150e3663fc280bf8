/** `u8[1,N,"H+1"]` as a type, sizes in their one spelling; undefined when the text is none. */

import { isDType } from '../tensors/index.ts';
import { canonicalDim } from './dims.ts';
import { unquoted } from './tokens.ts';
import type { Dim, TensorType } from './types.ts';

export function parseType(text: string): TensorType | undefined {
  const match = /^(\w+)\[(.*)\]$/s.exec(text);
  if (!match) return undefined;
  const parts = match[2].match(/"[^"\\]*(?:\\.[^"\\]*)*"|[^,]+/gs) ?? [];
  return parts.join(',') === match[2] ? typeOfParts(match[1], parts) : undefined;
}

/** A type from the texts of its parts; undefined when one of them is wrong. */
export function typeOfParts(dtype: string, parts: readonly string[]): TensorType | undefined {
  const shape = parts.map(parseDim);
  const isType = (dtype === 'opaque' || isDType(dtype)) && shape.every((dim) => dim !== undefined);
  return isType ? { dtype, shape: shape as Dim[] } : undefined;
}

/** A whole number from 0, a symbol, or an expression in quotes. */
export function parseDim(text: string): Dim | undefined {
  if (/^[A-Za-z_][\w.]*$/.test(text)) return text;
  const dim = text.startsWith('"') ? expression(text) : /^\d+$/.test(text) ? Number(text) : undefined;
  return typeof dim === 'number' && !(Number.isSafeInteger(dim) && dim >= 0) ? undefined : dim;
}

function expression(text: string): Dim | undefined {
  let isText = true;
  const inner = unquoted(text, () => {
    isText = false;
    return '' as never;
  });
  return isText && !/^[-+.\d\s]*$/.test(inner) ? canonicalDim(inner) : undefined;
}
