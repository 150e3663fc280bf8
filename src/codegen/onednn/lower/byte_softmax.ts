/** Softmax of bytes by kernels of ours: one for the arithmetic of each recipe. */
import { type qnnSoftmax, tensor, type View } from '../../../ir/index.ts';
import { fixedExponentials, floatExponentials, softmaxSteps, softmaxTable } from '../../../numerics/index.ts';
import type { Kernel } from '../kernel.ts';
import { type Lanes, lanesOf } from '../layout.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import type { GraphView, Lowering } from './lowering.ts';

/** Sums of a lane stay below 2^32. */
const MOST_FIXED = 2 ** 13 - 1;

interface Softmax {
  readonly kernel: Kernel;
  readonly table: Buffer;
}

function kernelOf(
  { x, sx, sy, zy, y, attrs: { recipe, beta } }: View<typeof qnnSoftmax>,
  lanes: Lanes,
  r: Recorder,
): Softmax {
  const sourceType = r.byteType(x);
  const types = { sourceType, type: r.dtypeOf(y, 'u8', 's8', 's16') } as const;
  const input = { sx: r.scalar(sx), beta };
  const zeroPoint = r.scalar(zy);
  switch (recipe) {
    case 'ort':
      return {
        kernel: { name: 'qlinear-softmax', type: sourceType, ...lanes, steps: softmaxSteps(r.scalar(sy)), zeroPoint },
        table: r.data(tensor('f32', softmaxTable(input.sx, lanes.length))),
      };
    case 'litert':
      return {
        kernel: { name: 'float-byte-softmax', ...types, ...lanes, scale: r.scalar(sy), zeroPoint },
        table: r.data(tensor('f32', floatExponentials(input))),
      };
    case 'tflite':
      return {
        kernel: { name: 'fixed-byte-softmax', ...types, ...lanes },
        table: r.data(tensor('s32', fixedExponentials(input))),
      };
  }
}

/** Why the kernel of the recipe tflite does not take it. */
function refusesFixed({ x, sx, attrs: { axis } }: View<typeof qnnSoftmax>, graph: GraphView): string | undefined {
  if (!(Number(graph.shape(x)[axis]) <= MOST_FIXED)) return `rows of more than ${MOST_FIXED} bytes`;
  return Number(graph.constant(sx)?.data[0]) > 0 ? undefined : 'its scale is not positive';
}

export const byteSoftmax: Lowering<typeof qnnSoftmax> = {
  refuses(view, graph) {
    const { sx, zx, sy, zy, attrs } = view;
    const computed = graph.needsConstants(sx, zx, sy, zy);
    return computed ?? (attrs.recipe === 'tflite' ? refusesFixed(view, graph) : undefined);
  },
  lower(softmax, r) {
    const { x, y, attrs } = softmax;
    const layout = r.preferredLayout(x);
    const { kernel, table } = kernelOf(softmax, lanesOf(layout, r.shape(x), attrs.axis), r);
    r.kernel(kernel, { source: r.use(x, layout), table, destination: r.define(y, layout) });
  },
};
