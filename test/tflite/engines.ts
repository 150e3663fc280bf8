/** Engines that run an imported graph: the interpreter, the addon, and ONNX Runtime on the file that is written of it. */
import ort from 'onnxruntime-node';
import { legalize } from '../../src/codegen/index.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { type Feeds, type Graph, type ITensor, interpret } from '../../src/ir/index.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Model } from '../../src/runtime/model.ts';
import { dtypeOfOnnxName, dtypes } from '../../src/tensors/dtype.ts';
import { toPublic } from '../../src/tensors/tensor.ts';

export interface Opened {
  run(feeds: Feeds): Promise<Record<string, ITensor>>;
  close(): Promise<void>;
}

type Open = (graph: Graph) => Promise<Opened>;

interface PublicTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: unknown;
}

const tensorsOf = (results: Readonly<Record<string, PublicTensor>>): Record<string, ITensor> =>
  Object.fromEntries(
    Object.entries(results).map(([name, { type, dims, data }]) => [
      name,
      { dtype: dtypeOfOnnxName(type), shape: [...dims], data } as ITensor,
    ]),
  );

async function addon(graph: Graph): Promise<Opened> {
  const model = new Model(compileGraph(graph, { threads: 1 }), { threads: 1 });
  return {
    async run(feeds) {
      return tensorsOf(await model.run(Object.fromEntries(Object.entries(feeds).map(([k, t]) => [k, toPublic(t)]))));
    },
    async close() {
      model.dispose();
    },
  };
}

async function onnxRuntime(bytes: Uint8Array): Promise<Opened> {
  const session = await ort.InferenceSession.create(bytes, {
    graphOptimizationLevel: 'all',
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  return {
    async run(feeds) {
      const given = Object.entries(feeds).map(([name, { dtype, data, shape }]) => [
        name,
        new ort.Tensor(dtypes[dtype].onnx as 'float32', data as Float32Array, [...shape]),
      ]);
      return tensorsOf(await session.run(Object.fromEntries(given)));
    },
    close: () => session.release(),
  };
}

export const engines = {
  interpreter: async (graph) => ({ run: async (feeds) => interpret(graph, feeds), close: async () => {} }),
  addon,
  onnxruntime: (graph) => onnxRuntime(exportOnnx(graph)),
  /** ONNX Runtime once no product has a zero point, as `rewrite` writes it. */
  symmetric: (graph) => onnxRuntime(exportOnnx(legalize(graph, { target: 'symmetric' }).graph)),
} as const satisfies Record<string, Open>;

export type EngineName = keyof typeof engines;

/** The engines that `--on NAME[,NAME]` asks for. */
export function enginesAsked(words: readonly string[]): readonly EngineName[] {
  const at = words.indexOf('--on');
  const asked = at < 0 ? ['interpreter'] : (words[at + 1] ?? '').split(',');
  return asked.map((name) => {
    const known = Object.keys(engines).find((engine) => engine === name);
    if (known === undefined) throw new Error(`--on takes ${Object.keys(engines).join(', ')}, separated by commas`);
    return known as EngineName;
  });
}

/** The words of a command line that are neither options nor their values. */
export const wordsOf = (words: readonly string[]): readonly string[] =>
  words.filter((word, i) => !word.startsWith('--') && words[i - 1] !== '--on');
