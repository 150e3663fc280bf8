/**
 * A compiled model as one file:
 *
 *   8 bytes   "UNSKEW", 0, version
 *   4 bytes   length of the header, little endian
 *   4 bytes   CRC-32 of the header and of the 12 bytes before
 *   header    JSON: the graph at level dnnl as text, the table of its constants (of those in bodies by path) with the CRC-32 of each, certificate,
 *             strategies, target, length of what follows
 *   sections  each 64-byte aligned, zeros between them: the constants in the order of the table; then, where there is one, the plan for
 *             the machine that the file was written on (ready_model.ts), with packed weights
 *
 * Everything but those zeros is under a checksum, and what is read of a file is verified: a flipped bit in a weight would be other
 * numbers, without a word. CRC-32 finds every burst of up to 32 bits and takes 14 ms for 100 MB.
 *
 * The graph is host-independent; layouts, packing and memory are planned where the file is loaded, unless the plan fits there. It is kept
 * in its textual form because the parser checks all of it, and people can read it.
 */

import { UnskewError } from '../diagnostics/index.ts';
import {
  byteLengthOf,
  bytesOf,
  constantsByPath,
  type Graph,
  type ITensor,
  isDType,
  parse,
  print,
  sizeOf,
  tensorOfBytes,
  verify,
} from '../ir/index.ts';
import type { Certificate, StrategyReport } from '../passes/index.ts';
import { headerOf, isSize, type Place, refused, Sections, type Source, sectionOf } from './compiled_sections.ts';
import { addReady, type ReadyModel } from './ready_model.ts';
import type { TargetDescription } from './targets.ts';

export interface CompiledModel {
  readonly graph: Graph;
  readonly target: TargetDescription;
  readonly certificate: Certificate;
  readonly strategies: readonly StrategyReport[];
}

/** @param made the plan of the model on this machine, if the file is to have it */
export function writeCompiledFile(
  { graph, target, certificate, strategies }: CompiledModel,
  made?: ReadyModel,
): Uint8Array {
  const constants: Record<string, Place> = {};
  const sections = new Sections();
  for (const [id, tensor] of constantsByPath(graph)) {
    const { offset, crc } = sections.add(bytesOf(tensor.data));
    constants[id] = { dtype: tensor.dtype, shape: tensor.shape, offset, crc };
  }
  const size = sections.end;
  const ready = made && addReady(sections, made);
  const text = print(graph, { elideConstants: true });
  return sections.behind({
    graph: text,
    ...{ constants, size, target, certificate, strategies },
    ...(ready && { ready }),
  });
}

/** @throws UnskewError U5004 for a file of another version, a truncated or a damaged one */
export function readCompiledFile(bytes: Uint8Array, file?: string): CompiledModel {
  const source: Source = {
    size: bytes.length,
    read: (offset, length) => bytes.subarray(offset, offset + length),
    file,
  };
  const refuse = (why: string): never => refused(why, file);
  const { header, start } = headerOf(source);
  const constants = new Map<string, ITensor>();
  for (const [id, { dtype, shape, offset, crc }] of Object.entries(header.constants)) {
    if (!isDType(dtype) || !Array.isArray(shape) || !shape.every(isSize))
      return refuse(`is damaged: the constant @${id} is not inside the file`);
    const section = { offset, bytes: byteLengthOf(dtype, sizeOf(shape)), crc };
    constants.set(id, tensorOfBytes(dtype, shape, sectionOf(source, start, section, `the constant @${id}`)));
  }
  const { target, certificate, strategies } = header;
  try {
    const graph = parse(header.graph, file, constants);
    const violations = verify(graph, 'dnnl');
    return violations.length === 0
      ? { graph, target, certificate, strategies }
      : refuse(`is damaged: ${violations[0].message}`);
  } catch (error) {
    if (error instanceof UnskewError && error.code !== 'U5004')
      return refuse(`is damaged: ${error.diagnostics[0].message}`);
    throw error;
  }
}
