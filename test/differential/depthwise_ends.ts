/** Depthwise convolutions with all that may follow their sums, where the last channels do not fill a register. */
import { type Feeds, type Graph, GraphBuilder, type ITensor, tensor } from '../../src/ir/index.ts';
import { qnnConv } from '../../src/ir/ops/qnn_conv.op.ts';
import { qnnConvTranspose } from '../../src/ir/ops/qnn_conv_transpose.op.ts';
import { qnnRequantize } from '../../src/ir/ops/qnn_requantize.op.ts';
import { requantizeModes } from '../../src/numerics/index.ts';
import type { CompileOptions } from '../../src/runtime/compile_options.ts';

/** Every value of each, with every value of the others; `steps`: how many factors a sum is multiplied by. */
const dimensions = {
  transposed: [false, true],
  strategy: ['border-table', 'native'],
  factors: ['one', 'by channel'],
  steps: [1, 2],
  batch: [1, 2],
  channels: [3, 8, 11],
} as const;
type Layer = { readonly [K in keyof typeof dimensions]: (typeof dimensions)[K][number] };

const layers = Object.entries(dimensions).reduce<readonly object[]>(
  (all, [name, values]) => all.flatMap((layer) => values.map((value) => ({ ...layer, [name]: value }))),
  [{}],
) as readonly Layer[];

const spread = (count: number, low: number, high: number): number[] =>
  Array.from({ length: count }, (_, i) => low + ((Math.imul(i + 1, 0x9e3779b1) >>> 8) % (high - low + 1)));

function graphOf({ transposed, factors, steps, batch, channels }: Layer): Graph {
  const b = new GraphBuilder();
  const operands = {
    x: b.input('x', 'u8', [batch, channels, 5, 6]),
    w: b.constant(tensor('s8', spread(channels * 9, -60, 60), [channels, 1, 3, 3])),
    zx: b.scalar('u8', 120),
  };
  const attrs = { strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1], group: channels };
  const sum = transposed
    ? b.emit(qnnConvTranspose, operands, { ...attrs, outputPadding: [0, 0] })
    : b.emit(qnnConv, operands, attrs);
  const scaled = (by: number) => {
    const each = spread(channels, 3, 9).map((v) => v * by);
    return factors === 'one' ? b.scalar('f32', each[0]) : b.constant(tensor('f32', each, [channels]));
  };
  const parameters = {
    multiplier: scaled(steps === 1 ? 0.001 : 0.01),
    zy: b.scalar('u8', 128),
    ...(steps === 2 && { second: scaled(0.02) }),
  };
  const mode = steps === 2 ? requantizeModes['torch-onednn'] : {};
  return b.finish([b.emit(qnnRequantize, { x: sum, ...parameters }, mode)]);
}

/** The cases that the addon computes differently. @param differenceOf describes the difference of a case */
export const wrongEnds = (
  differenceOf: (graph: Graph, feeds: Feeds, options: CompileOptions) => string | undefined,
): readonly string[] =>
  layers.flatMap((layer) => {
    const shape = [layer.batch, layer.channels, 5, 6];
    const x: ITensor = tensor('u8', spread(layer.batch * layer.channels * 30, 0, 255), shape);
    const difference = differenceOf(graphOf(layer), { x }, { strategy: layer.strategy });
    return difference === undefined ? [] : [`${JSON.stringify(layer)}: ${difference}`];
  });
