/**
 * Validates a model that was just written against the rules of ONNX: a file that no runtime loads is a fault of unskew,
 * even when its source was wrong.
 */
import { assert, InternalError, UnskewError } from '../../diagnostics/index.ts';
import { type OnnxGraph, type OnnxNode, openOnnx } from '../../formats/onnx/index.ts';
import { capturedNames } from '../../importers/index.ts';
import type { DType } from '../../ir/index.ts';

export interface Expected {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** True when nodes must stand after the values that they read; false for a file that was out of order before. */
  readonly isOrdered: boolean;
  /** Element types of the values that bodies read, before and now: undefined where one of them is not known. */
  readonly types: (name: string) => readonly [DType | undefined, DType | undefined];
}

/** @throws InternalError for a value that is not defined before its use, or defined twice, or for another interface */
export const validateWritten = (bytes: Uint8Array, expected: Expected): void => validateGraph(opened(bytes), expected);

/** `outer`: values of the graphs around it. @throws InternalError as above */
export function validateGraph(graph: OnnxGraph, expected: Expected, outer: ReadonlySet<string> = new Set()): void {
  const own = definedAtOnce(graph);
  const defined = new Set([...outer, ...own]);
  const producers = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  for (const node of graph.nodes) {
    for (const name of node.inputs)
      assert(
        name === '' || defined.has(name) || (!expected.isOrdered && producers.has(name)),
        `${label(node)} reads '${name}', which ${producers.has(name) ? 'is defined after it' : 'is not defined'}`,
      );
    for (const name of capturedNames(node)) checkCapture(name, node, defined, producers, expected);
    for (const name of node.outputs) {
      assert(name === '' || !defined.has(name), `${label(node)} defines '${name}', which is defined already`);
      defined.add(name);
    }
  }
  for (const { name } of graph.outputs) assert(defined.has(name), `the output '${name}' is not defined`);
  const inputs = graph.inputs.map(({ name }) => name).filter((name) => !graph.initializers.has(name));
  checkNames('inputs', inputs, expected.inputs);
  checkNames(
    'outputs',
    graph.outputs.map(({ name }) => name),
    expected.outputs,
  );
}

function opened(bytes: Uint8Array): OnnxGraph {
  try {
    return openOnnx(bytes).graph;
  } catch (error) {
    throw error instanceof UnskewError ? new InternalError(error.message, { cause: error }) : error;
  }
}

/** Inputs and initializers; an input may have an initializer, its default. Names that occur twice are refused when a file is read. */
const definedAtOnce = ({ inputs, initializers, sparseInitializers }: OnnxGraph): Set<string> =>
  new Set([...inputs, ...sparseInitializers].map(({ name }) => name).concat([...initializers.keys()]));

function checkCapture(
  name: string,
  node: OnnxNode,
  defined: ReadonlySet<string>,
  producers: ReadonlySet<string>,
  { isOrdered, types }: Expected,
): void {
  assert(
    defined.has(name) || (!isOrdered && producers.has(name)),
    `a body of ${label(node)} reads '${name}', which is not defined`,
  );
  const [before, now] = types(name);
  assert(
    before === undefined || now === undefined || before === now,
    `a body of ${label(node)} reads '${name}', which was ${before} and is ${now}`,
  );
}

function checkNames(side: string, found: readonly string[], expected: readonly string[]): void {
  assert(
    found.join('\0') === expected.join('\0'),
    `the ${side} are ${found.join(', ')}, and should be ${expected.join(', ')}`,
  );
}

const label = ({ name, outputs, opType }: OnnxNode): string => `${opType} '${name || outputs[0]}'`;
