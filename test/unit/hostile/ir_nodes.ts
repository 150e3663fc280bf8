/** A graph around each operator of the IR, found by trying, and changes of it. */
import { UnskewError } from '../../../src/diagnostics/index.ts';
import {
  type AnyOp,
  type AnyValue,
  type AttrSpec,
  type AttrValue,
  allDTypes,
  completeAttrs,
  controlLoop,
  type Dim,
  type DType,
  type Graph,
  GraphBuilder,
  inferTypes,
  isDType,
  isStatic,
  nnDetectionPostprocess,
  nnGridSample,
  nnGru,
  nnLstm,
  nnNonMaxSuppression,
  nnScatterNd,
  qnnBlockDequantize,
  qnnBlockGather,
  qnnBlockMatmul,
  qnnDynamicLstm,
  qnnPairLut,
  type Shape,
  sizeOf,
  type TensorType,
  tensor,
  type ValueId,
} from '../../../src/ir/index.ts';
import { drawer, hostileFloats, hostileIntegers, hostileLists, hostileSizes, hostileWords } from './values.ts';

const shapes: readonly Shape[] = [
  [1, 4, 6, 6],
  [],
  [4],
  [4, 4, 3, 3],
  [4, 6],
  [6, 5],
  [1],
  [256],
  [1, 4, 8],
  [4, 1, 1],
  [2, 1],
];

/** The operands whose shapes no other operator's fit: a table with an entry for each pair of bytes; boxes, their scores and anchors. */
const ownShapes: Readonly<Record<string, Readonly<Record<string, Shape>>>> = {
  [qnnPairLut.name]: { table: [65_536] },
  [nnLstm.name]: { x: [3, 1, 5], w: [1, 16, 5], r: [1, 16, 4], bias: [1, 32], h: [1, 1, 4], c: [1, 1, 4] },
  [qnnDynamicLstm.name]: {
    ...{ x: [3, 1, 5], w: [1, 5, 16], r: [1, 4, 16], sw: [1], sr: [1, 16], zw: [1, 16], zr: [1] },
    ...{ bias: [1, 32], h: [1, 1, 4], c: [1, 1, 4] },
  },
  [qnnBlockDequantize.name]: { x: [4, 40], scale: [4, 3], zp: [4, 3] },
  [qnnBlockGather.name]: { x: [4, 6], indices: [2, 1], scale: [4, 1], zp: [4, 1] },
  [qnnBlockMatmul.name]: { a: [3, 40], b: [5, 3, 8], scale: [5, 3], zp: [5, 2] },
  [nnGru.name]: { x: [3, 1, 5], w: [1, 12, 5], r: [1, 12, 4], bias: [1, 24], h: [1, 1, 4] },
  [nnNonMaxSuppression.name]: { boxes: [1, 6, 4], scores: [1, 2, 6] },
  [nnGridSample.name]: { x: [1, 4, 6, 6], grid: [1, 3, 5, 2] },
  [nnScatterNd.name]: { x: [4, 6], indices: [3, 1], updates: [3, 6] },
  [nnDetectionPostprocess.name]: { encodings: [1, 6, 4], scores: [1, 6, 2], anchors: [6, 4] },
};

/** Attributes with few values that are taken. */
const ownAttrs: Readonly<Record<string, Readonly<Record<string, AttrValue>>>> = {
  [qnnBlockDequantize.name]: { axis: 1, block: 16 },
  [qnnBlockGather.name]: { bits: 4, block: 16 },
  [qnnBlockMatmul.name]: { bits: 4, block: 16 },
};

export interface Baseline {
  readonly op: AnyOp;
  readonly types: readonly (TensorType | null)[];
  /** The operands that are constants. */
  readonly constant: readonly boolean[];
  readonly attrs: Readonly<Record<string, AttrValue>>;
}

/** An operator with operands and attributes that it takes. */
export function baselineOf(op: AnyOp): Baseline | undefined {
  const draw = drawer(op.name.length * 977 + 5);
  const pick = <T>(list: readonly T[]): T => list[draw(1 + draw(list.length))];
  const specs = Object.values(op.operands);
  const names = Object.keys(op.operands);
  for (let run = 0; run < 100_000; run++) {
    const chosen = pick(allDTypes.filter((d) => specs[0]?.dtypes.includes(d)));
    const types = specs.flatMap((spec, i) => {
      if (spec.presence === 'optional' && draw(3) > 0) return [null];
      const of = (): TensorType => {
        const known = spec.dtypes.filter(isDType);
        return {
          dtype: known.includes(chosen) && draw(3) > 0 ? chosen : pick(known),
          shape: ownShapes[op.name]?.[names[i]] ?? pick(shapes),
        };
      };
      return spec.presence === 'variadic' ? Array.from({ length: 1 + draw(3) }, of) : [of()];
    });
    const attrs = Object.fromEntries(
      Object.entries(op.attrs as Record<string, AttrSpec>).flatMap(([name, spec]) =>
        spec.default === undefined || draw(3) === 0
          ? [
              [
                name,
                ownAttrs[op.name]?.[name] ??
                  windowList(name, draw) ??
                  (spec.kind === 'graph' ? bodyOf(op) : usual(spec, draw)),
              ],
            ]
          : [],
      ),
    );
    const constant = types.map((_, i) => i > 0 && draw(3) > 0);
    const baseline = { op, types, constant, attrs };
    if (isTaken(baseline)) return baseline;
  }
  return undefined;
}

/** Lists of windows over two axes; most random lists are not valid. */
function windowList(name: string, draw: (limit: number) => number): readonly number[] | undefined {
  const lists: Readonly<Record<string, readonly (readonly number[])[]>> = {
    strides: [[2, 1]],
    dilations: [[1, 1]],
    kernel: [[2, 2]],
    pads: [
      [1, 0, 1, 1],
      [0, 0, 0, 0, 0, 1, 1, 1],
    ],
    outputPadding: [[0, 1]],
    sizes: [[3, 2]],
  };
  const known = lists[name];
  return known?.[draw(known.length)];
}

/** A body for the types and captures that `usual` gives. */
function bodyOf(op: AnyOp): Graph {
  const b = new GraphBuilder('body');
  if (op !== (controlLoop as AnyOp)) return b.finish([b.constant(tensor('u8', [1, 2, 3, 4], [4]))]);
  b.input('i', 's64', []);
  const goes = b.input('goes', 'bool', []);
  return b.finish([goes, b.scalar('u8', 3)]);
}

function usual({ kind, values }: AttrSpec, draw: (limit: number) => number): AttrValue {
  const list = <T>(items: readonly T[]): T[] => Array(1 + draw(8)).fill(items[draw(items.length)]);
  switch (kind) {
    case 'int':
      return [1, 0, 2, 255, -128][draw(5)];
    case 'float':
      return [0.5, 1, 0][draw(3)];
    case 'bool':
      return draw(2) === 0;
    case 'string':
      return (values ?? allDTypes)[draw((values ?? allDTypes).length)];
    case 'ints':
      return draw(2) === 0 ? Array.from({ length: 1 + draw(4) }, (_, i) => i) : list([1, 0, 2]);
    case 'floats':
      return list([1, 0.5]);
    case 'dims':
      return draw(2) === 0 ? [...shapes[draw(shapes.length)]] : list([1, 2, 0]);
    case 'strings':
      return ['x'];
    case 'types':
      return ['u8[4]'];
    case 'graph':
      return bodyOf(controlLoop);
  }
}

function isTaken({ op, types, attrs }: Baseline): boolean {
  try {
    inferTypes(op, types, completeAttrs(op, attrs, {}), {});
    return true;
  } catch (error) {
    if (error instanceof UnskewError) return false;
    throw error;
  }
}

/** Its text reads back as it is written, so a graph is enough. */
export function graphOf({ op, types, constant, attrs }: Baseline): Graph {
  const b = new GraphBuilder();
  const operands = types.map((type, i): AnyValue | null => {
    if (type === null) return null;
    const { dtype, shape } = type;
    if (!constant[i] || !isStatic(shape) || sizeOf(shape) > 4096) return b.input(`x${i}`, dtype, shape);
    const data = Array.from({ length: sizeOf(shape) }, (_, k) => (k + i) % 2);
    return b.constant(tensor(dtype as DType, data, shape), `c${i}`);
  });
  return b.finish(b.emitList(op, operands, attrs));
}

export interface Case {
  readonly name: string;
  readonly make: () => Graph;
}

/** The baseline with each of its parts made hostile, one at a time. */
export function hostileCases(baseline: Baseline): Case[] {
  const { op, types } = baseline;
  const attrs = completeAttrs(op, baseline.attrs, {});
  const ofAttributes = Object.entries(op.attrs as Record<string, AttrSpec>).flatMap(([name, { kind, values }]) =>
    hostileValues(kind, attrs[name], values).map((value) => ({
      name: `${op.name}: ${name} = ${shown(value)}`,
      make: () => graphOf({ ...baseline, attrs: { ...attrs, [name]: value } }),
    })),
  );
  const ofOperands = types.flatMap((type, i): Case[] => {
    if (type === null) return [];
    const dims = hostileLists<Dim>(type.shape, hostileSizes);
    const other = allDTypes.map((dtype) => ({ ...type, dtype }));
    return [...dims.map((shape) => ({ ...type, shape })), ...other].map((changed) => ({
      name: `${op.name}: operand ${i} = ${changed.dtype}[${changed.shape}]`,
      make: () => graphOf({ ...baseline, types: types.with(i, changed) }),
    }));
  });
  return [...ofAttributes, ...ofOperands];
}

function hostileValues(kind: AttrSpec['kind'], value: AttrValue, values: readonly string[] | undefined): AttrValue[] {
  const wrong: AttrValue[] = ['x', 3, true, [1, 2], ['x']];
  switch (kind) {
    case 'int':
      return [...wrong, ...hostileIntegers, Number.NaN, 0.5];
    case 'float':
      return [...wrong, ...hostileFloats];
    case 'ints':
      return [...wrong, ...hostileLists(value as readonly number[], [...hostileIntegers, Number.NaN])];
    case 'floats':
      return [...wrong, ...hostileLists(value as readonly number[], hostileFloats)];
    case 'dims':
      return [...wrong, ...hostileLists<Dim>(value as Shape, [...hostileIntegers, 'K', 'K*4294967296', Number.NaN])];
    case 'string':
      return [...wrong, ...hostileWords, ...(values ?? allDTypes)];
    case 'graph':
      return [...wrong, ...hostileBodies(value as Graph)];
    default:
      return wrong;
  }
}

/** Graphs that are none, or do not fit. */
const hostileBodies = (graph: Graph): Graph[] => [
  { ...graph, inputs: [] },
  { ...graph, inputs: [...graph.inputs, ...graph.outputs] },
  { ...graph, outputs: [] },
  { ...graph, outputs: [...graph.outputs, ...graph.outputs] },
  { ...graph, outputs: ['nothing' as ValueId] },
  { ...graph, values: {} },
];

const shown = (value: AttrValue): string =>
  typeof value === 'object' && 'nodes' in value
    ? `a graph of ${value.inputs} to ${value.outputs}`
    : JSON.stringify(value, (_key, item) => (typeof item === 'number' && !Number.isFinite(item) ? String(item) : item));
