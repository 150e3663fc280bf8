/** Sizes of the run that are 0 or 1: every back end, and the file behind `rewrite`, give what ONNX Runtime gives, whichever size comes first. */
import ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { compile, exportOnnx, importModel, legalize } from '../../src/index.ts';
import { sizeOf, type Tensor, tensor } from '../../src/tensors/index.ts';
import { type ModelNode, writeModel } from '../support/onnx.ts';

const node = (op: string, inputs: string[], outputs: string[], attrs: ModelNode['attrs'] = {}): ModelNode => ({
  op,
  inputs,
  outputs,
  attrs,
});
const list = (...values: number[]) => tensor('s64', values.map(BigInt), [values.length]);

interface Case {
  readonly nodes: readonly ModelNode[];
  readonly outputs: readonly string[];
}

/** Graphs of three inputs: x is f32[N,M], row is f32[M], other is f32[K,M], and K is N or 1. */
const cases: Readonly<Record<string, Case>> = {
  'the size of the first rows': {
    nodes: [node('Slice', ['x', 'zero', 'one'], ['y']), node('Shape', ['y'], ['size'])],
    outputs: ['y', 'size'],
  },
  'the size of the last rows': {
    nodes: [node('Slice', ['x', 'minus', 'far'], ['y']), node('Shape', ['y'], ['size'])],
    outputs: ['y', 'size'],
  },
  'all but the last, reshaped by their size': {
    nodes: [
      node('Slice', ['x', 'zero', 'minus'], ['y']),
      node('Shape', ['y'], ['size']),
      node('ReduceProd', ['size'], ['count'], { keepdims: 1 }),
      node('Reshape', ['y', 'count'], ['flat'], { allowzero: 1 }),
    ],
    outputs: ['flat', 'count'],
  },
  'a list of the first rows, in a branch': {
    nodes: [
      node('Shape', ['x'], ['size']),
      node('Gather', ['size', 'first'], ['rows'], { axis: 0 }),
      node('Greater', ['rows', 'two'], ['many']),
      node('If', ['many'], ['y'], {
        then_branch: {
          g: { inputs: [], outputs: [{ name: 'all' }], nodes: [node('Reshape', ['x', 'minus'], ['all'])] },
        },
        else_branch: {
          g: {
            inputs: [],
            outputs: [{ name: 'some' }],
            nodes: [node('Slice', ['x', 'zero', 'one'], ['head']), node('Reshape', ['head', 'minus'], ['some'])],
          },
        },
      }),
    ],
    outputs: ['y'],
  },
  'the size of a sum of two': {
    nodes: [node('Add', ['x', 'other'], ['y']), node('Shape', ['y'], ['size'])],
    outputs: ['y', 'size'],
  },
  'a size as a truth value': {
    nodes: [
      node('Shape', ['x'], ['size']),
      node('Cast', ['size'], ['is'], { to: 9 }),
      node('Equal', ['size', 'zero'], ['none']),
      node('Where', ['none', 'one', 'size'], ['positive']),
    ],
    outputs: ['is', 'none', 'positive'],
  },
  'the larger of a size and 1': {
    nodes: [
      node('Shape', ['x'], ['size']),
      node('Max', ['size', 'one'], ['larger']),
      node('Min', ['size', 'one'], ['smaller']),
      node('ConstantOfShape', ['larger'], ['made']),
    ],
    outputs: ['larger', 'smaller', 'made'],
  },
  'a half of a size': {
    nodes: [
      node('Shape', ['x'], ['size']),
      node('Sub', ['size', 'one'], ['less']),
      node('Div', ['size', 'twos'], ['half']),
      node('Max', ['less', 'zero'], ['count']),
      node('Concat', ['half', 'count'], ['made'], { axis: 0 }),
    ],
    outputs: ['made', 'less'],
  },
  'backwards to the end, from either end': {
    nodes: [
      node('Slice', ['x', 'one', 'far', 'zero', 'minus'], ['y']),
      node('Slice', ['x', 'far', 'farther', 'zero', 'minus'], ['z']),
      node('Shape', ['z'], ['size']),
    ],
    outputs: ['y', 'z', 'size'],
  },
  'the place of the largest, where none is asked for': {
    nodes: [node('Slice', ['x', 'zero', 'zero'], ['none']), node('ArgMax', ['none'], ['y'], { axis: 1 })],
    outputs: ['y'],
  },
  'a size that the run counts, beside one that it is given': {
    nodes: [
      node('Cast', ['x'], ['is'], { to: 9 }),
      node('NonZero', ['is'], ['at']),
      node('Transpose', ['at'], ['where'], { perm: [1, 0] }),
      node('GatherND', ['x', 'where'], ['v']),
      node('Concat', ['v', 'row', 'two.f'], ['list'], { axis: 0 }),
      node('Shape', ['list'], ['size']),
      node('Concat', ['minus', 'size'], ['shape'], { axis: 0 }),
      node('Reshape', ['list', 'shape'], ['y']),
    ],
    outputs: ['y', 'size'],
  },
  'products over nothing': {
    nodes: [
      node('Transpose', ['x'], ['t'], { perm: [1, 0] }),
      node('MatMul', ['t', 'x'], ['y']),
      node('DynamicQuantizeLinear', ['x'], ['q', 's', 'z']),
    ],
    outputs: ['y', 's', 'z'],
  },
};

/** ONNX Runtime leaves sums of nothing as the memory was. */
const integerProduct: Case = {
  nodes: [
    node('DynamicQuantizeLinear', ['x'], ['q', 's', 'z']),
    node('Transpose', ['q'], ['t'], { perm: [1, 0] }),
    node('MatMulInteger', ['t', 'q', 'z', 'z'], ['y']),
  ],
  outputs: ['y'],
};

const constants = {
  zero: list(0),
  one: list(1),
  twos: list(2),
  minus: list(-1),
  far: list(2 ** 31 - 1),
  farther: tensor('s64', [2n ** 63n - 1n], [1]),
  'two.f': tensor('f32', [1, 2], [2]),
  first: tensor('s64', [0n], []),
  two: tensor('s64', [2n], []),
};
const modelOf = ({ nodes, outputs }: Case) =>
  writeModel({
    inputs: [
      { name: 'x', type: 'float32', dims: ['N', 'M'] },
      { name: 'row', type: 'float32', dims: ['M'] },
      { name: 'other', type: 'float32', dims: ['K', 'M'] },
    ],
    outputs: outputs.map((name) => ({ name })),
    initializers: Object.entries(constants).map(([name, value]) => ({ name, tensor: value })),
    nodes,
    opsets: { '': 17 },
  });

const feedsOf = (n: number, m: number, k: number) => {
  const of = (...dims: number[]) => ({
    type: 'float32',
    data: Float32Array.from({ length: sizeOf(dims) }, (_, i) => ((i * 7) % 5) - 2),
    dims,
  });
  return { x: of(n, m), row: of(m), other: of(k, m) };
};

/** N, M and K. */
const sizes = [
  [0, 3, 1],
  [1, 3, 0],
  [3, 2, 3],
  [2, 0, 1],
  [0, 0, 0],
  [1, 1, 2],
] as const;
const orders = sizes.map((_, first) => [...sizes.slice(first), ...sizes.slice(0, first)]).filter((_, i) => i % 2 === 0);

async function inOnnxRuntime(bytes: Uint8Array) {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4 });
  return (feeds: ReturnType<typeof feedsOf>) =>
    session.run(
      Object.fromEntries(
        session.inputNames.map((name) => {
          const { data, dims } = feeds[name as keyof typeof feeds];
          return [name, new ort.Tensor('float32', data, dims)];
        }),
      ),
    );
}

const plain = (results: Readonly<Record<string, Pick<Tensor, 'dims'> & { readonly data: unknown }>>) =>
  Object.fromEntries(
    Object.entries(results)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { dims, data }]) => [name, { dims: [...dims], data: Array.from(data as Float32Array, Number) }]),
  );

describe.each(Object.keys(cases))('%s', (name) => {
  const bytes = modelOf(cases[name]);

  it.each([['onednn'], ['onednn', 'onnxruntime'], ['reference']] as const)(
    'runs at all sizes (%s)',
    async (...order) => {
      const backends = order as ('onednn' | 'onnxruntime' | 'reference')[];
      const peer = await inOnnxRuntime(bytes);
      for (const all of orders) {
        const model = await compile(bytes, { backends, threads: 1 });
        for (const [n, m, k] of [...all, ...all]) {
          const feeds = feedsOf(n, m, k);
          expect({ n, m, k, ...plain(model.runSync(feeds)) }).toEqual({ n, m, k, ...plain(await peer(feeds)) });
        }
        model.dispose();
      }
    },
  );

  it('is written so that it runs at all sizes', async () => {
    const [peer, written] = [bytes, exportOnnx(legalize(await importModel(bytes)).graph)].map(inOnnxRuntime);
    for (const [n, m, k] of sizes) {
      const feeds = feedsOf(n, m, k);
      expect({ n, m, k, ...plain(await (await written)(feeds)) }).toEqual({
        n,
        m,
        k,
        ...plain(await (await peer)(feeds)),
      });
    }
  });
});

it.each([['onednn'], ['reference']] as const)('integer products over nothing are 0 (%s)', async (backend) => {
  const model = await compile(modelOf(integerProduct), { backends: [backend], threads: 1 });
  for (const [n, m, k] of [...sizes, ...sizes]) {
    const { y } = model.runSync(feedsOf(n, m, k));
    expect(y.dims).toEqual([m, m]);
    if (n === 0) expect(Array.from(y.data, Number)).toEqual(Array(m * m).fill(0));
  }
  model.dispose();
});
