/** Convolutions, and code that transposed ones (conv_transpose.ts) share with them. */
import {
  type ConvAttrs,
  dnnlConvTranspose,
  isOp,
  layoutOf,
  type nnConv,
  type ops,
  tensor,
  type View,
} from '../../../ir/index.ts';
import type { ConvolutionSpec, Defect, PrimitiveAttributes } from '../binding.ts';
import { hasOneMeaning } from '../floats.ts';
import { layoutOfDesc } from '../layout.ts';
import { offered } from '../offered.ts';
import { isOursHere } from '../our_kernel.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import { type Operands, operandsOf } from '../saturation.ts';
import { filterView } from '../saturation_pairs.ts';
import { type Created, recordBareSum } from './bare_sum.ts';
import { recordConvProduct } from './float_product.ts';
import type { GraphView, Lowering } from './lowering.ts';
import { recordOurConvolution } from './our_products.ts';
import { holdsResults, lowerProduct, type ProductPrimitives, type Whole } from './product.ts';
import type { Epilogue } from './products.ts';
import { referenceScratch } from './reference.ts';
import { writtenOut } from './written_out.ts';

type Conv = View<typeof ops.dnnlConv>;
/** The fields of a convolution, transposed or not. */
type Fused = View<typeof ops.dnnlConv | typeof ops.dnnlConvTranspose>;

export const constantWeights = ({ w }: Fused, graph: GraphView): string | undefined =>
  graph.constant(w) === undefined ? 'its weights are computed at run time' : undefined;

export const dnnlConv: Lowering<typeof ops.dnnlConv> = {
  refuses: constantWeights,
  lower(view, r) {
    if (isOursHere(view.node, r)) recordOurConvolution(view, view.attrs, r);
    else lowerProduct(view, r, primitivesOf(view, r));
  },
};

/** The slow sum in scratch memory, when no primitive of this machine is exact. */
export function slowSum({ x, w, y, attrs, node }: Fused, r: Recorder): Buffer {
  const zero = attrs.sourceZeroPoint === 0 ? undefined : r.data(tensor('s32', Int32Array.of(attrs.sourceZeroPoint)));
  return referenceScratch(r, {
    x,
    xShape: r.shape(x),
    w: r.use(w, 'row-major'),
    wType: 's8',
    wShape: r.shape(w),
    yShape: r.shape(y),
    attrs,
    transposed: isOp(node, dnnlConvTranspose),
    zx: zero,
    zw: undefined,
  });
}

/** A bare sum with a source zero point is over a source whose padding is written out. */
const primitivesOf = (view: Conv, r: Recorder): ProductPrimitives => ({
  candidates: operandsOf(
    r,
    view.x,
    filterView(r.constantOf(view.w, 's8'), layoutOf(view.node)),
    view.attrs.sourceZeroPoint,
    'second',
  ),
  whole: (given, attributes) => wholeConv(view, r, given, attributes),
  sum(given) {
    const padding = given.zeroPoint === 0 ? 'within' : 'written out';
    const sum = recordBareSum(r, given, (part) => creator(view, r, part)(padding, {}, 's32'));
    return { sum, isShifted: false };
  },
  slowSum: () => slowSum(view, r),
});

type Padding = 'within' | 'written out';

type CreatedConv = Created & { readonly padding: Padding };

/** Creates the primitive with other ends, over the source as it is or surrounded by its zero point. */
function creator({ x, w, bias, y, attrs }: Conv, r: Recorder, { view, type, zeroPoint, source }: Operands) {
  const dims = groupedShape([view.filters, view.channels, ...r.shape(w).slice(2)], attrs.group);
  const [batch, , ...spatial] = r.shape(x);
  const shape = [batch, view.channels * attrs.group, ...spatial];
  return (padding: Padding, attributes: PrimitiveAttributes, to: Epilogue['to']): CreatedConv => {
    const written = padding === 'written out' ? writtenOut(r, shape, attrs.pads, zeroPoint) : undefined;
    const primitive = r.binding.convolution(
      {
        ...geometry(r.shape(w), written ? { ...attrs, pads: attrs.pads.map(() => 0) } : attrs),
        source: r.binding.desc(type, written?.dims ?? shape, 'channels-last'),
        weights: r.binding.desc('s8', dims, 'any'),
        ...(bias && to !== 's32' && { bias: r.binding.desc('s32', [view.filters], 'row-major') }),
        destination: r.binding.desc(to, r.shape(y), 'channels-last'),
        attributes,
      },
      r.threads,
    );
    const record: Created['record'] = (destination, more = {}) => {
      const weights = r.packed(tensor('s8', view.data), dims, primitive.descs.weights);
      r.primitive(primitive, { source: written?.pad(source()) ?? source(), weights, destination, ...more });
    };
    return { primitive, padding, record };
  };
}

/** The primitive that does all of the node, where there is one that can be trusted. */
function wholeConv(view: Conv, r: Recorder, given: Operands, attributes: PrimitiveAttributes): Whole | undefined {
  const { bias, map, attrs } = view;
  const { zeroPoint } = given;
  if (attrs.to === 's32' && (bias || map)) return undefined;
  const make = creator(view, r, given);
  const create = (padding: Padding) => offered(() => make(padding, attributes, attrs.to));
  const first = create('within');
  const has = (made: CreatedConv | undefined, defect: Defect) => made?.primitive.defects.includes(defect) ?? false;
  if (zeroPoint !== 0 && has(first, 'source-zero-point')) return undefined;
  const chosen = zeroPoint !== 0 && has(first, 'padded-source-zero-point') ? create('written out') : first;
  const isBinary = attributes.postOps?.some(({ kind }) => kind === 'binary');
  if (isBinary && has(chosen, 'binary-post-ops')) return undefined;
  if (chosen === undefined || !holdsResults(view, r, chosen, given)) return undefined;
  return { ...chosen, bare: () => make(chosen.padding, {}, 's32').primitive };
}

/** f32, with a bias as in ONNX; where one meaning is needed by our kernel, else layouts by oneDNN's choice. */
export const floatConv: Lowering<typeof nnConv> = {
  lower(view, r) {
    if (hasOneMeaning(r.graph, view.node)) recordConvProduct(view, r);
    else recordFloatConv(view, r);
  },
};

function recordFloatConv({ x, w, bias, y, attrs }: View<typeof nnConv>, r: Recorder): void {
  const constant = r.isConstant(w) ? r.constantOf(w, 'f32') : undefined;
  const filters = r.shape(w);
  const shape = groupedShape(filters, attrs.group);
  const primitive = r.binding.convolution(
    {
      ...geometry(filters, attrs),
      source: r.desc(x, 'channels-last'),
      weights: r.binding.desc('f32', shape, constant ? 'any' : 'row-major'),
      ...(bias && { bias: r.binding.desc('f32', r.shape(bias), 'row-major') }),
      destination: r.desc(y, 'channels-last'),
    },
    r.threads,
  );
  const weights = constant ? r.packed(constant, shape, primitive.descs.weights) : r.use(w, 'row-major');
  const source = r.use(x, layoutOfDesc(primitive.descs.source));
  const destination = r.define(y, layoutOfDesc(primitive.descs.destination));
  r.primitive(primitive, { source, weights, bias: bias && r.use(bias, 'row-major'), destination });
}

export function geometry(
  w: readonly number[],
  { strides, pads, dilations, group }: ConvAttrs,
): Pick<ConvolutionSpec, 'groups' | 'strides' | 'dilations' | 'padsBegin' | 'padsEnd'> {
  const rank = w.length - 2;
  return { groups: group, strides, dilations, padsBegin: pads.slice(0, rank), padsEnd: pads.slice(rank) };
}

export const groupedShape = (w: readonly number[], group: number): readonly number[] =>
  group === 1 ? w : [group, w[0] / group, ...w.slice(1)];
