/** Archives of PyTorch: scripts (.pt, and .ptl for phones) and programs of torch.export (.pt2). */
import { readFileSync } from 'node:fs';
import { tensor } from '../../../src/tensors/tensor.ts';
import { type Entry, forward, p, pickle, script, zip } from '../../unit/torch/archives.ts';
import { programOf } from '../../unit/torch/in_place_programs.ts';
import { made } from '../../unit/torch/strided_model.ts';
import {
  codes,
  dtype,
  entriesOf as entriesOfProgram,
  f,
  meta,
  node,
  type ProgramSpec,
  smallProgram,
  t,
} from '../../unit/torch_export/programs.ts';
import { random } from '../draw.ts';
import { examineModel } from '../examine_model.ts';
import { corpusFiles } from '../own_seeds.ts';
import { changeEntries, entriesOf } from './archive_changes.ts';
import { defineKind, type KindName, type Seed } from './kind.ts';

/** Larger files take so long that few cases are seen. */
const MOST_BYTES = 60_000;
const STRIDED = [2, 3, 4];
/** The shapes to try for the input of an archive that has no shapes of its own. */
const shapes = [[1, 4, 4, 4], STRIDED, [1, 1, 8, 8], [1, 1, 32, 32], [1, 3]];

const archiveKind = (name: KindName, own: () => Seed[], ending: RegExp) =>
  defineKind<readonly Entry[]>({
    name,
    seeds: async (isOwn) => [...own(), ...corpusFiles(ending, MOST_BYTES, isOwn)],
    open: entriesOf,
    change: (entries, draw, { mood }) => changeEntries(entries, draw, mood),
    write: (entries) => zip(entries),
    *smaller(entries) {
      for (const entry of entries) yield entries.filter((other) => other !== entry);
      for (const entry of entries.filter(({ name: file }) => file.endsWith('.py'))) {
        const lines = Buffer.from(entry.data as Uint8Array)
          .toString()
          .split('\n');
        for (const at of lines.keys()) {
          const data = Buffer.from(lines.filter((_, i) => i !== at).join('\n'));
          yield entries.map((other) => (other === entry ? { ...entry, data } : other));
        }
      }
    },
    examine: (bytes, examination) => examineModel(bytes, examination, name === 'pt2' ? {} : { shapes }),
  });

export const ptKind = archiveKind('pt', () => scripts(), /\.pt$/);
export const ptlKind = archiveKind('ptl', () => scripts(true), /\.ptl$/);
export const pt2Kind = archiveKind('pt2', () => programs(), /\.pt2$/);

const operators: Readonly<Record<string, Readonly<Record<string, { readonly lines: readonly string[] }>>>> = JSON.parse(
  readFileSync(new URL('../../unit/torch/operators.json', import.meta.url), 'utf8'),
);

const repository = new URL('../../../', import.meta.url);

/** Archives of a few operators each, of writes in place, and a network. What phones read has bytecode besides. */
function scripts(isMobile = false): Seed[] {
  const files: Entry[] = isMobile ? [{ name: 'm/bytecode.pkl', data: pickle(p.tuple(p.int(7))) }] : [];
  const each = Object.values(operators).flatMap((group) => Object.values(group).map(({ lines }) => lines));
  const many = [0, 1, 2, 3].map((part) => {
    const some = each.filter((_, i) => i % 4 === part);
    return [
      'q = torch.quantize_per_tensor(x, 0.07, 70, 13)',
      ...some.flatMap((lines, i) => [...lines.slice(0, -1), `r${i} = torch.dequantize(${lines[lines.length - 1]})`]),
      `return (${some.map((_, i) => `r${i}`).join(', ')})`,
    ];
  });
  const few = each.map((lines) => [
    'q = torch.quantize_per_tensor(x, 0.07, 70, 13)',
    ...lines.slice(0, -1),
    `return torch.dequantize(${lines[lines.length - 1]})`,
  ]);
  const inPlace = drawnPrograms().map(({ lines, outputs }) => [
    ...lines,
    `return (${outputs.map((output) => output.script).join(', ')},)`,
  ]);
  const network = {
    name: 'network.pt',
    read: () => readFileSync(new URL('examples/02-pytorch/fixture/network.pt', repository)),
  };
  return [
    ...[...few, ...inPlace, ...many].map((body, i) => ({
      name: `script ${i}`,
      read: () => script({ code: forward(...body), files }),
    })),
    ...(isMobile ? [] : [network, network, network]),
  ];
}

const drawnPrograms = () =>
  Array.from({ length: 40 }, (_, i) => {
    const draw = random(i);
    const draws = Array.from({ length: 2 + draw(6) }, () => ({
      what: draw(10_000),
      on: draw(100),
      by: draw(100),
      i: draw(20),
      j: draw(20),
    }));
    return programOf(
      made(
        STRIDED,
        Array.from({ length: 24 }, (_, k) => ((k * 7) % 23) - 11),
      ),
      draws,
    );
  });

function programs(): Seed[] {
  const inPlace = drawnPrograms().map(
    ({ nodes, shapes: values, outputs }): ProgramSpec => ({
      inputs: { x: ['f32', STRIDED] },
      nodes,
      values: Object.fromEntries(Object.entries(values).map(([name, { sizes }]) => [name, ['f32', sizes] as const])),
      outputs: [...new Set(outputs.map(({ program }) => program))],
      edit(document) {
        const { graph } = document.graph_module as { graph: { tensor_values: Record<string, unknown> } };
        for (const [name, { sizes, strides, offset }] of Object.entries(values))
          graph.tensor_values[name] = meta(codes.f32, sizes, strides, offset);
      },
    }),
  );
  return [...inPlace, ...quantized, ...quantized, ...quantized].map((spec, i) => ({
    name: `program ${i}`,
    read: () => zip(entriesOfProgram(spec)),
  }));
}

const range = { quant_min: 0, quant_max: 255, dtype: dtype('u8') };
const narrow = { quant_min: -127, quant_max: 127, dtype: dtype('s8') };
const perTensor = 'quantized_decomposed.quantize_per_tensor.default';
const fromTensor = 'quantized_decomposed.dequantize_per_tensor.default';
const weights = tensor(
  's8',
  Array.from({ length: 72 }, (_, i) => ((i * 37) % 200) - 100),
  [2, 4, 3, 3],
);

/** A convolution and a linear layer, as PT2E leaves them. */
const quantized: readonly ProgramSpec[] = [
  {
    inputs: { x: ['f32', ['s0', 4, 6, 6]] },
    weights: { w: weights, b: tensor('f32', [0.5, -0.25], [2]) },
    nodes: [
      node(perTensor, { input: t('x'), scale: f(0.05), zero_point: 117, ...range }, 'q'),
      node(fromTensor, { input: t('q'), scale: f(0.05), zero_point: 117, ...range }, 'd'),
      node(fromTensor, { input: t('w'), scale: f(0.02), zero_point: 0, ...narrow }, 'dw'),
      node(
        'aten.conv2d.default',
        { input: t('d'), weight: t('dw'), bias: t('b'), stride: [1, 1], padding: [1, 1] },
        'c',
      ),
      node('aten.relu.default', { self: t('c') }, 'r'),
      node(perTensor, { input: t('r'), scale: f(0.1), zero_point: 3, ...range }, 'p'),
      node(fromTensor, { input: t('p'), scale: f(0.1), zero_point: 3, ...range }, 'y'),
    ],
    values: {
      q: ['u8', ['s0', 4, 6, 6]],
      d: ['f32', ['s0', 4, 6, 6]],
      dw: ['f32', [2, 4, 3, 3]],
      c: ['f32', ['s0', 2, 6, 6]],
      r: ['f32', ['s0', 2, 6, 6]],
      p: ['u8', ['s0', 2, 6, 6]],
      y: ['f32', ['s0', 2, 6, 6]],
    },
    outputs: ['y'],
  },
  smallProgram,
];
