/**
 * Reads a file back before it gets its name. A file that does not read as the model it was made from never gets its
 * name: this is a fault of unskew, and the user gets an error in place of the file.
 */
import { type CompiledModel, readCompiledFile } from '../codegen/index.ts';
import { InternalError, UnskewError } from '../diagnostics/index.ts';
import { importBytes } from '../importers/index.ts';
import { formatType, type Graph, parse, type TensorType, type ValueId } from '../ir/index.ts';
import { guarded } from '../passes/index.ts';
import { externalReader } from '../runtime/index.ts';

/**
 * Reads back an ONNX model that was made from `graph`.
 *
 * @param beside the model beside which its weights lie, when they stay in files of their own
 * @throws InternalError
 */
export async function readBackOnnx(bytes: Uint8Array, graph: Graph, beside?: string): Promise<Graph> {
  const readExternal = beside === undefined ? {} : { readExternal: externalReader(beside) };
  const found = await importBytes(bytes, readExternal).catch((error) => error);
  return guarded(graph, { name: 'export', replay: ['rewrite', '-o out.onnx'] }, {}, () => {
    if (found instanceof UnskewError) throw unreadable(found);
    if (found instanceof Error) throw found;
    compareInterfaces(graph, found, contradicts);
    return found;
  });
}

/** @throws InternalError */
export function readBackCompiled(bytes: Uint8Array, { graph }: CompiledModel): void {
  guarded(graph, { name: 'compile', replay: ['opt'] }, {}, () =>
    compareInterfaces(
      graph,
      reading(() => readCompiledFile(bytes).graph),
      differs,
    ),
  );
}

/** @throws InternalError */
export function readBackIr(text: string, graph: Graph): void {
  guarded(graph, { name: 'print', replay: ['opt'] }, {}, () =>
    compareInterfaces(
      graph,
      reading(() => parse(text)),
      differs,
    ),
  );
}

function reading(read: () => Graph): Graph {
  try {
    return read();
  } catch (error) {
    throw error instanceof UnskewError ? unreadable(error) : error;
  }
}

const unreadable = (cause: UnskewError): InternalError =>
  new InternalError(`the file that was to be written cannot be read back:\n${cause.message}`, { cause });

/** Names, types and shapes of inputs and outputs, in their order. */
function compareInterfaces(
  expected: Graph,
  found: Graph,
  isOther: (expected: TensorType, found: TensorType) => boolean,
): void {
  for (const side of ['inputs', 'outputs'] as const) {
    const shown = (graph: Graph) => graph[side].map((id) => `'${id}': ${formatType(graph.values[id].type)}`).join(', ');
    const isSame =
      expected[side].length === found[side].length &&
      expected[side].every((id: ValueId, i) => {
        const other = found[side][i];
        return id === other && !isOther(expected.values[id].type, found.values[other].type);
      });
    if (!isSame)
      throw new InternalError(
        `the ${side} of the file that was to be written are (${shown(found)}) and should be (${shown(expected)})`,
      );
  }
}

const differs = (a: TensorType, b: TensorType): boolean => formatType(a) !== formatType(b);

/**
 * True when two types contradict each other. Open sizes are inferred anew, and a value that is not understood has no
 * type: both say less, but nothing else.
 */
function contradicts(a: TensorType, b: TensorType): boolean {
  if (a.dtype === 'opaque' || b.dtype === 'opaque') return false;
  if (a.dtype !== b.dtype || a.shape.length !== b.shape.length) return true;
  return a.shape.some((dim, i) => {
    const other = b.shape[i];
    return typeof dim === 'number' && typeof other === 'number' && dim !== other;
  });
}
