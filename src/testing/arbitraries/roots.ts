/**
 * Graphs by root operator: for each operator that rules start from, the families of graphs in which they may fire. A rule
 * gets mostly draws from the family it fires in most often, and others too, so that its conditions are tested as well.
 */
import * as fc from 'fast-check';
import { type AnyOp, allOps, byOp, type Graph, nnMax, nnMin, type OpKey, qnnAdd, qnnMul } from '../../ir/index.ts';
import type { AnyRule } from '../../passes/index.ts';
import { matches } from '../apply_once.ts';
import { absent, present, zeroPoint } from './basic.ts';
import { blockProducts, columnProducts } from './block_products.ts';
import { buildConv, convSpec, paddedAxes, uniformAxes, unpaddedAxes } from './conv.ts';
import { buildMatmul, matmulSpec } from './matmul.ts';
import { chains, type Movement, movements } from './movements.ts';
import { bounds, casts, clampedRequantize, identities, reciprocals, tables } from './plain.ts';
import { floatProducts, groups, ofOneTensor } from './qdq.ts';
import { computedProducts } from './qdq_computed.ts';
import { dequantized, movedDequantize, movedWeights, quantizedAgain } from './qdq_movements.ts';
import { scaledProducts } from './scaled.ts';
import { absorbed, additions, buildSum, constants, ortRequantize, requantizeSpec } from './sums.ts';

export type Family = readonly [name: string, graphs: fc.Arbitrary<Graph>];

const s8 = fc.constant('s8' as const);
const no = fc.constant(false);
const symmetric = { w: s8, zw: absent, computed: no };
const shiftedWeights = {
  zw: zeroPoint({ presence: fc.constant('constant'), form: fc.constantFrom('scalar', 'channels') }),
  computed: no,
};
const ofZero = fc.constant({ presence: 'constant', value: 0, form: 'scalar' } as const);
const conv = (emphasis: Parameters<typeof convSpec>[0]): fc.Arbitrary<Graph> => convSpec(emphasis).map(buildConv);
const matmul = (emphasis: Parameters<typeof matmulSpec>[0]): fc.Arbitrary<Graph> =>
  matmulSpec(emphasis).map(buildMatmul);
const plainConv = { ...symmetric, op: fc.constant('nnConv' as const), zx: absent };
const symmetricRight = { b: s8, zb: absent, computed: no };

const tail = fc.constantFrom('none', 'none', 'none', 'read', 'shared' as const);
const sums = (
  product: { conv: Parameters<typeof convSpec>[0] } | { matmul: Parameters<typeof matmulSpec>[0] },
  more: Partial<Parameters<typeof sumRecord>[1]>,
): fc.Arbitrary<Graph> => sumRecord(product, more).map(buildSum);

function sumRecord(
  product: { conv?: Parameters<typeof convSpec>[0]; matmul?: Parameters<typeof matmulSpec>[0] },
  more: { additions?: ReturnType<typeof additions>; requantize?: ReturnType<typeof requantizeSpec> },
) {
  return fc.record({
    ...(product.conv && { conv: convSpec(product.conv) }),
    ...(product.matmul && { matmul: matmulSpec(product.matmul) }),
    additions: additions(),
    tail,
    ...more,
  });
}

const selectableConv = {
  conv: {
    op: fc.constantFrom('nnConv', 'qnnConv' as const),
    ...symmetric,
    zx: zeroPoint({ presence: fc.constantFrom('absent', 'constant') }),
  },
};
const selectableMatmul = {
  matmul: {
    op: fc.constantFrom('nnMatmul', 'qnnMatmul' as const),
    ...symmetricRight,
    za: zeroPoint({ presence: fc.constantFrom('absent', 'constant') }),
  },
};

const requantized: readonly Family[] = [
  [
    'any product, any sum, any recipe',
    fc.oneof(
      sums({ conv: {} }, { requantize: requantizeSpec() }),
      sums({ matmul: {} }, { requantize: requantizeSpec() }),
    ),
  ],
  [
    'symmetric convolution, absorbed sum',
    sums(selectableConv, { additions: additions(absorbed), requantize: ortRequantize }),
  ],
  [
    'symmetric product, any sum',
    fc.oneof(
      sums(selectableConv, { requantize: ortRequantize }),
      sums(selectableMatmul, { requantize: ortRequantize }),
    ),
  ],
];
const summed: readonly Family[] = [
  ['symmetric product, any sum', fc.oneof(sums(selectableConv, {}), sums(selectableMatmul, {}))],
  [
    'symmetric product, absorbed sum',
    fc.oneof(
      sums(selectableConv, { additions: additions(absorbed) }),
      sums(selectableMatmul, { additions: additions(absorbed) }),
    ),
  ],
];

/** The families of a quantized convolution, plain or transposed. */
const convolutions = (op: fc.Arbitrary<'qnnConv' | 'qnnConvTranspose'>): readonly Family[] => [
  ['any', conv({ op })],
  ['source zero point', conv({ op, ...symmetric, zx: present })],
  ['source zero point, no padding', conv({ op, ...symmetric, zx: present, axes: unpaddedAxes })],
  ['source zero point, padding', conv({ op, ...symmetric, zx: present, axes: paddedAxes })],
  ['weights zero point', conv({ op, ...shiftedWeights })],
  ['near weights zero point', conv({ op, ...shiftedWeights, narrow: fc.constant(true) })],
  ['both zero points', conv({ op, ...shiftedWeights, zx: present, symbolic: no })],
  ['symmetric', conv({ op, ...symmetric, zx: absent })],
  ['zero points of 0', conv({ op, zx: ofZero, zw: fc.oneof(ofZero, zeroPoint({ form: fc.constant('channels') })) })],
];

const movedFamilies = (kind: Movement): readonly Family[] => [
  ['dequantized', movedDequantize([kind])],
  ['chain', chains([kind, ...movements], [kind])],
  ['twice', chains([kind], [kind])],
  ...(kind === 'nnReshape' || kind === 'nnTranspose'
    ? [['dequantized constant', movedWeights([kind])] satisfies Family]
    : []),
];

const families: Readonly<Partial<Record<OpKey, readonly Family[]>>> = {
  qnnConv: [
    ...convolutions(fc.constant('qnnConv')),
    [
      'pad in front',
      conv({ ...symmetric, zx: present, padded: fc.constantFrom('zero', 'zero point', 'zero point', 'other') }),
    ],
  ],
  qnnConvTranspose: [
    ...convolutions(fc.constant('qnnConvTranspose')),
    [
      'source zero point, taps that meet everywhere',
      conv({ op: fc.constant('qnnConvTranspose'), ...symmetric, zx: present, axes: uniformAxes }),
    ],
  ],
  nnConv: [
    ['symmetric', conv(plainConv)],
    ['of floats', floatProducts.conv],
    ['of floats, computed parameters', computedProducts('conv')],
  ],
  nnConvTranspose: [
    ['symmetric', conv({ ...plainConv, op: fc.constant('nnConvTranspose' as const) })],
    ['of floats', floatProducts['conv transpose']],
    ['of floats, computed parameters', computedProducts('conv_transpose')],
  ],
  qnnMatmul: [
    ['any', matmul({})],
    ['left zero point', matmul({ ...symmetricRight, za: present })],
    ['right zero point', matmul({ zb: present, computed: no })],
    ['near right zero point', matmul({ zb: present, computed: no, narrow: fc.constant(true) })],
    ['right zero point, s8', matmul({ b: s8, zb: present })],
    ['unsigned right', matmul({ b: fc.constant('u8' as const) })],
    ['symmetric', matmul({ ...symmetricRight, za: absent })],
    ['zero points of 0', matmul({ za: ofZero })],
    ['row vector', matmul({ rows: fc.constant('vector' as const), za: present, zb: present })],
    ['column vector', matmul({ columns: fc.constant('vector' as const), za: present, zb: present })],
    ['inner size of the run', matmul({ inner: fc.constant('K' as const) })],
    ['inner size of the run, s8', matmul({ inner: fc.constant('K' as const), b: s8, zb: present })],
    [
      'inner size of the run, left zero point',
      matmul({ inner: fc.constant('K' as const), ...symmetricRight, za: present }),
    ],
  ],
  nnMatmul: [
    ['symmetric', matmul({ ...symmetricRight, op: fc.constant('nnMatmul' as const) })],
    ['of floats', floatProducts.matmul],
    ['of blocks', blockProducts],
    ['of columns', columnProducts],
    ['of floats, computed parameters', computedProducts('matmul')],
  ],
  qnnRequantize: requantized,
  nnAdd: [
    ...summed,
    ['two constants', sums({ conv: { axes: unpaddedAxes } }, { additions: constants })],
    ['scaled product', scaledProducts('sum')],
  ],
  nnMul: [['scaled product', scaledProducts('product')]],
  nnRelu: [['scaled product', scaledProducts('relu')]],
  nnClip: [['scaled product', scaledProducts('clip')]],
  nnSub: summed,
  qnnQuantize: [...Object.entries(groups), ['by reciprocal', reciprocals], ['again', quantizedAgain]],
  qnnAdd: [['of one tensor', ofOneTensor(qnnAdd)]],
  qnnMul: [['of one tensor', ofOneTensor(qnnMul)]],
  qnnDequantize: [
    ['constant', dequantized],
    ['of products', fc.oneof(floatProducts.conv, floatProducts['conv transpose'], floatProducts.matmul)],
  ],
  qnnLut: [
    ['table of table', tables],
    ['table of requantize', clampedRequantize],
  ],
  nnMax: [['bound', bounds(nnMax)]],
  nnMin: [['bound', bounds(nnMin)]],
  nnCast: [['cast', casts]],
  nnIdentity: [
    ['identity', identities],
    ['moved', movedDequantize(['nnIdentity'])],
  ],
  ...Object.fromEntries(movements.filter((kind) => kind !== 'nnIdentity').map((kind) => [kind, movedFamilies(kind)])),
};

const familiesAt = byOp(families);

/** The families of an operator, undefined when the kit has none for it. */
export const familiesOf = (op: AnyOp): readonly Family[] | undefined => familiesAt({ op: op.name });

/** Random graphs around a root operator: any of its families. */
export function arbitraryRoot(op: AnyOp): fc.Arbitrary<Graph> {
  const known = familiesOf(op);
  if (known === undefined) throw new Error(`the kit draws no graphs for ${op.name}; give your own as \`graphs\``);
  return fc.oneof(...known.map(([, graphs]) => graphs));
}

const PROBES = 40;

/**
 * Graphs to check a rule with: mostly of the families in which it fires often, so that its test is not vacuous; a fifth of
 * all in which it fires at all, so that it is not narrow; and a few of the others.
 */
export function graphsFor(rule: AnyRule): fc.Arbitrary<Graph> {
  const known = familiesOf(rule.root);
  if (known === undefined) return arbitraryRoot(rule.root);
  const counted = known.map(([, arbitrary]) => {
    const probes = fc.sample(arbitrary, { numRuns: PROBES, seed: PROBES });
    return { arbitrary, fired: probes.filter((graph) => matches(graph, rule)).length };
  });
  const often = counted.map(({ arbitrary, fired }) => ({ arbitrary, weight: fired ** 2 + 1 }));
  const atAll = counted.filter(({ fired }) => fired > 0).map(({ arbitrary }) => arbitrary);
  return fc.oneof(
    { weight: 4, arbitrary: fc.oneof(...often) },
    { weight: 1, arbitrary: fc.oneof(...(atAll.length > 0 ? atAll : known.map(([, graphs]) => graphs))) },
  );
}

/** The operators that the kit draws graphs for. */
export const knownRoots: readonly AnyOp[] = allOps.filter((op) => familiesOf(op) !== undefined);
